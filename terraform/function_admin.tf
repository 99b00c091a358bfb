# Projects, settings, keys and staff; seals the access log and answers from it.
module "admin" {
  source = "./modules/function"

  name      = "admin"
  setup     = local.setup
  topics    = local.topics
  publishes = ["seals", "webhooks"]
  databases = { "(default)" = "roles/datastore.user", edge = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_BUCKET           = google_storage_bucket.access_log.name
    LETHE_LOG_KEYS_EARLIER = join(",", var.access_log_keys_earlier)
    LETHE_PUBLIC_URL       = local.public_url
    LETHE_RECEIPT_KMS_KEY  = local.receipt_key
  })
  secret_files = {
    LETHE_LOG_KEY_FILE = google_secret_manager_secret.secrets["access-log-key"].secret_id
  }

  endpoints = {
    admin = {
      entry_point = "Admin"
      paths = [
        "/v1/access-log", "/v1/access-log/*", "/v1/keys", "/v1/keys/*", "/v1/tokens", "/v1/tokens/*",
        "/v1/project", "/v1/project/settings", "/v1/project/settings/history", "/v1/project/identity-secret", "/v1/project/dpa",
        "/v1/projects", "/v1/dpa", "/v1/project/staff-access", "/v1/evidence", "/v1/grants", "/v1/grants/*", "/v1/staff", "/v1/staff/*",
        "/v1/sessions", "/v1/sessions/*",
      ]
      memory  = "1Gi"
      timeout = 310
    }
    admin-worker = { entry_point = "AdminWorker", topic = "seals" }
  }
}

resource "google_storage_bucket_iam_member" "admin_adds" {
  bucket = google_storage_bucket.access_log.name
  role   = "roles/storage.objectCreator"
  member = "serviceAccount:${module.admin.service_account}"
}

resource "google_storage_bucket_iam_member" "admin_reads" {
  bucket = google_storage_bucket.access_log.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${module.admin.service_account}"
}

# Evidence is signed with the key of receipts.
resource "google_kms_crypto_key_iam_member" "admin_signs" {
  crypto_key_id = google_kms_crypto_key.receipts.id
  role          = "roles/cloudkms.signerVerifier"
  member        = "serviceAccount:${module.admin.service_account}"
}
