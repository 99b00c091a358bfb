# Erases, everywhere: databases, archives, dead letters of events. Signs receipts.
module "delete" {
  source = "./modules/function"

  name      = "delete"
  setup     = local.setup
  topics    = local.topics
  publishes = ["deletions", "callbacks", "webhooks", "events-dead"]
  databases = { "(default)" = "roles/datastore.user", edge = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_BUCKET          = google_storage_bucket.exports.name
    LETHE_PUBLIC_URL      = local.public_url
    LETHE_RECEIPT_KMS_KEY = local.receipt_key
    LETHE_BACKUP_DAYS     = tostring(var.backup_days)
  })

  endpoints = {
    delete = {
      entry_point = "Delete"
      paths       = ["/v1/deletions", "/v1/deletions/*", "/api/app/data-deletions/*", "/.well-known/jwks.json"]
      timeout     = 70
    }
    delete-worker = { entry_point = "DeleteWorker", topic = "deletions", memory = "1Gi", concurrency = 4 }
  }
}

resource "google_storage_bucket_iam_member" "delete_archives" {
  bucket = google_storage_bucket.exports.name
  role   = local.archive_eraser
  member = "serviceAccount:${module.delete.service_account}"
}

# Takes an event that is parked out of the dead letters, and puts the rest back.
resource "google_pubsub_subscription_iam_member" "delete_sweeps" {
  subscription = module.store.dead_letters["events"]
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${module.delete.service_account}"
}

resource "google_kms_crypto_key_iam_member" "delete_signs" {
  crypto_key_id = google_kms_crypto_key.receipts.id
  role          = "roles/cloudkms.signerVerifier"
  member        = "serviceAccount:${module.delete.service_account}"
}
