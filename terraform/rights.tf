# All that each service account may do: what its module grants and what its own file adds.
# The tests hold it against README.md.
locals {
  rights = { for k, m in local.modules : k => setunion(m.grants, lookup(local.added_rights, k, [])) }

  added_rights = {
    admin = [
      "${google_storage_bucket_iam_member.admin_adds.role} on bucket access log",
      "${google_storage_bucket_iam_member.admin_reads.role} on bucket access log",
      "${google_kms_crypto_key_iam_member.admin_signs.role} on key receipts",
    ]
    delete = [
      "${google_storage_bucket_iam_member.delete_archives.role} on bucket exports",
      "${google_pubsub_subscription_iam_member.delete_sweeps.role} on subscription events-dead",
      "${google_kms_crypto_key_iam_member.delete_signs.role} on key receipts",
    ]
    export = [
      "${google_storage_bucket_iam_member.export_archives.role} on bucket exports",
      "${google_service_account_iam_member.export_signs.role} on itself",
    ]
    retention = [
      "${google_storage_bucket_iam_member.retention_archives.role} on bucket exports",
      "${google_pubsub_subscription_iam_member.retention_sweeps.role} on subscription events-dead",
    ]
  }
}
