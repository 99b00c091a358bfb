# Builds archives for access and portability, and hands them out by signed URL.
module "export" {
  source = "./modules/function"

  name      = "export"
  setup     = local.setup
  topics    = local.topics
  publishes = ["exports", "callbacks", "webhooks"]
  databases = { "(default)" = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_BUCKET = google_storage_bucket.exports.name
  })

  endpoints = {
    export        = { entry_point = "Export", paths = ["/v1/exports", "/v1/exports/*", "/api/app/data-retrievals/*"], timeout = 70 }
    export-worker = { entry_point = "ExportWorker", topic = "exports", memory = "1Gi", concurrency = 4 }
  }
}

# Writes, composes and reads archives, in this bucket alone.
resource "google_storage_bucket_iam_member" "export_archives" {
  bucket = google_storage_bucket.exports.name
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${module.export.service_account}"
}

# Signs URLs as itself (signBlob), and as nobody else.
resource "google_service_account_iam_member" "export_signs" {
  service_account_id = "projects/${var.project}/serviceAccounts/${module.export.service_account}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${module.export.service_account}"
}
