# The access log outlives whoever would rather it did not: in Cloud Logging in a bucket
# whose retention is locked, and as sealed trees in a bucket that is locked likewise.
# Neither holds personal data: persons are there as hashes.

resource "google_logging_project_bucket_config" "access_log" {
  project        = var.project
  location       = var.region
  bucket_id      = "lethe-access"
  description    = "Who read, exported, changed or deleted customers' data"
  retention_days = var.access_log_days
  locked         = var.lock

  depends_on = [google_project_service.apis]
}

# shared/access, LogName
resource "google_logging_project_sink" "access_log" {
  name                   = "lethe-access"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.access_log.id}"
  filter                 = "logName=\"projects/${var.project}/logs/access\""
  unique_writer_identity = true
}

# The _Default bucket is of no region and nobody locks it: not there too.
resource "google_logging_project_exclusion" "access_log" {
  name   = "lethe-access"
  filter = "logName=\"projects/${var.project}/logs/access\""

  depends_on = [google_logging_project_sink.access_log]
}

# Tiles and checkpoints are written once, and nobody can change or delete them before
# their time.
resource "google_storage_bucket" "access_log" {
  name                        = "${var.project}-lethe-access-log"
  location                    = var.bucket_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protect

  dynamic "retention_policy" {
    for_each = var.lock || var.protect ? [var.access_log_days * 86400] : []
    content {
      retention_period = retention_policy.value
      is_locked        = var.lock
    }
  }

  dynamic "encryption" {
    for_each = var.cmek ? [google_kms_crypto_key_iam_member.encrypts["buckets"].crypto_key_id] : []
    content {
      default_kms_key_name = encryption.value
    }
  }
}
