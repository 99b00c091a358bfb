# The two databases of shared/topology.
resource "google_firestore_database" "databases" {
  for_each = toset(["(default)", "edge"])

  name                              = each.key
  location_id                       = var.firestore_location
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = var.protect ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.protect ? "ABANDON" : "DELETE"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"

  dynamic "cmek_config" {
    for_each = var.cmek ? [google_kms_crypto_key_iam_member.encrypts["databases"].crypto_key_id] : []
    content {
      kms_key_name = cmek_config.value
    }
  }

  depends_on = [google_project_service.apis]
}

# A backup a day. What is erased is in backups until they expire: receipts say when
# (LETHE_BACKUP_DAYS).
resource "google_firestore_backup_schedule" "daily" {
  for_each = google_firestore_database.databases

  database  = each.value.name
  retention = "${var.backup_days * 86400}s"
  daily_recurrence {}
}
