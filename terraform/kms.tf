# The key of receipts, always; the keys that data at rest is encrypted with, if asked for.

locals {
  # The nearest location of Cloud KMS to one of Firestore or of Cloud Storage.
  kms_locations = {
    eur3 = "europe", EU = "europe", EUR4 = "eur4",
    nam5 = "us", nam7 = "us", US = "us",
  }
  # What is encrypted: where its key is, and as whom Google encrypts.
  encrypted = var.cmek ? {
    databases = {
      location = lookup(local.kms_locations, var.firestore_location, var.firestore_location)
      agent    = "service-${data.google_project.current.number}@gcp-sa-firestore.iam.gserviceaccount.com"
    }
    buckets = {
      location = lookup(local.kms_locations, var.bucket_location, lower(var.bucket_location))
      agent    = one(data.google_storage_project_service_account.agent[*].email_address)
    }
    topics = {
      location = var.region
      agent    = "service-${data.google_project.current.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    }
  } : {}
  receipt_key = data.google_kms_crypto_key_latest_version.receipts.name
}

# Cloud Storage makes its agent when it is first asked for it, and a key can be granted to
# nobody who is not there.
data "google_storage_project_service_account" "agent" {
  count = var.cmek ? 1 : 0

  depends_on = [google_project_service.apis]
}

resource "google_kms_key_ring" "signing" {
  name     = "lethe-signing"
  location = var.region

  depends_on = [google_project_service.apis]
}

# Receipts are verified for years: the key is not to be lost, not with Terraform's state
# either, and not rotated away.
resource "google_kms_crypto_key" "receipts" {
  name                       = "receipts"
  key_ring                   = google_kms_key_ring.signing.id
  purpose                    = "ASYMMETRIC_SIGN"
  destroy_scheduled_duration = "2592000s"
  deletion_policy            = "ABANDON"
  version_template {
    algorithm        = "EC_SIGN_P256_SHA256"
    protection_level = "HSM"
  }
}

data "google_kms_crypto_key_latest_version" "receipts" {
  crypto_key = google_kms_crypto_key.receipts.id
}

resource "google_kms_key_ring" "data" {
  for_each = local.encrypted

  name     = "lethe-${each.key}"
  location = each.value.location

  depends_on = [google_project_service.apis]
}

resource "google_kms_crypto_key" "data" {
  for_each = local.encrypted

  name                       = each.key
  key_ring                   = google_kms_key_ring.data[each.key].id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s"
  deletion_policy            = "ABANDON" # without the key all data is gone
}

resource "google_kms_crypto_key_iam_member" "encrypts" {
  for_each = local.encrypted

  crypto_key_id = google_kms_crypto_key.data[each.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value.agent}"
}
