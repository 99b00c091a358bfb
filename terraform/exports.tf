# The bucket of archives. What is in it is deleted for good: an erasure must not leave
# anything behind, so nothing is kept softly, held or versioned. It has no CORS: links
# are for people and servers, not for other sites' scripts.
resource "google_storage_bucket" "exports" {
  name                        = "${var.project}-lethe"
  location                    = var.bucket_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protect

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  versioning {
    enabled = false
  }

  dynamic "encryption" {
    for_each = var.cmek ? [google_kms_crypto_key_iam_member.encrypts["buckets"].crypto_key_id] : []
    content {
      default_kms_key_name = encryption.value
    }
  }

  # shared/retention, ArchiveDays
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 7
      matches_prefix = ["exports/"]
    }
  }

  # pieces of uploads that were never completed
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }
}

# Finds archives and deletes them, and can't read one.
resource "google_project_iam_custom_role" "archive_eraser" {
  role_id     = "letheArchiveEraser"
  title       = "Lethe: eraser of archives"
  permissions = ["storage.objects.delete", "storage.objects.list"]
}

locals {
  archive_eraser = "projects/${var.project}/roles/${google_project_iam_custom_role.archive_eraser.role_id}"
}
