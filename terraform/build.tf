# How functions come to be: archives in a bucket, built by a service account of its own
# (Cloud Functions would take Compute's, which may edit the whole project).

resource "google_storage_bucket" "source" {
  name                        = "${var.project}-lethe-source"
  location                    = var.bucket_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # scripts/package makes it all again

  depends_on = [google_project_service.apis]
}

resource "google_artifact_registry_repository" "functions" {
  repository_id = "lethe"
  location      = var.region
  format        = "DOCKER"

  depends_on = [google_project_service.apis]
}

resource "google_service_account" "builder" {
  account_id   = "lethe-builder"
  display_name = "Lethe: builds the functions"
}

resource "google_project_iam_member" "builder_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${google_service_account.builder.email}"
}

resource "google_artifact_registry_repository_iam_member" "builder" {
  repository = google_artifact_registry_repository.functions.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${google_service_account.builder.email}"
}

# Cloud Functions copies an archive to a bucket of its own before it is built; the
# condition keeps the builder out of all other buckets.
resource "google_project_iam_member" "builder_reads" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = "serviceAccount:${google_service_account.builder.email}"
  condition {
    title      = "lethe-source"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.current.number}-\")"
  }
}

resource "google_storage_bucket_iam_member" "builder_source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.builder.email}"
}

# The builder's name for those who build as it: not known before it has its rights, so
# that no function of a new project is built in vain.
locals {
  builder = one(distinct([for member in [
    google_project_iam_member.builder_logs.member,
    google_project_iam_member.builder_reads.member,
    google_artifact_registry_repository_iam_member.builder.member,
    google_storage_bucket_iam_member.builder_source.member,
  ] : "projects/${var.project}/serviceAccounts/${trimprefix(member, "serviceAccount:")}"]))
}
