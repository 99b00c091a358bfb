# Purges what is past its retention, and what was erased out of the dead letters of events.
module "retention" {
  source = "./modules/function"

  name      = "retention"
  setup     = local.setup
  topics    = local.topics
  publishes = ["retention", "events-dead"]
  databases = { "(default)" = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_BUCKET = google_storage_bucket.exports.name
  })

  endpoints = {
    retention        = { entry_point = "Retention", paths = ["/v1/retention", "/v1/retention/*"], timeout = 70 }
    retention-worker = { entry_point = "RetentionWorker", topic = "retention", memory = "1Gi", concurrency = 4 }
  }
}

resource "google_storage_bucket_iam_member" "retention_archives" {
  bucket = google_storage_bucket.exports.name
  role   = local.archive_eraser
  member = "serviceAccount:${module.retention.service_account}"
}

# Takes an event that is parked out of the dead letters, and puts the rest back.
resource "google_pubsub_subscription_iam_member" "retention_sweeps" {
  subscription = module.store.dead_letters["events"]
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${module.retention.service_account}"
}
