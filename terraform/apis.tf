# The APIs that Lethe needs. The first two that Terraform itself asks, of projects and of
# APIs, scripts/deploy has enabled before.
resource "google_project_service" "apis" {
  for_each = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ], var.network ? ["compute.googleapis.com"] : [], var.budget == null ? [] : ["billingbudgets.googleapis.com"]))

  service            = each.key
  disable_on_destroy = false
}

data "google_project" "current" {
  project_id = var.project
  depends_on = [google_project_service.apis]
}
