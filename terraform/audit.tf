# Google's own record of who reads the data past Lethe: by console, gcloud or client
# library. The access log cannot see that.
#
#   Firestore, Storage, tokens of service accounts ─▶ Data Access audit logs ────┬─▶ alert human-access
#   exports and copies of databases, keys of service accounts ─▶ Admin Activity ─┘

# datastore.googleapis.com stands for Firestore too; iam.googleapis.com for tokens that
# somebody has made to act as a service account. Pub/Sub writes no audit log of messages
# that are read, whatever is configured (https://cloud.google.com/pubsub/docs/audit-logging).
resource "google_project_iam_audit_config" "data" {
  for_each = {
    "datastore.googleapis.com" = ["DATA_READ", "DATA_WRITE"]
    "storage.googleapis.com"   = ["DATA_READ", "DATA_WRITE"]
    "iam.googleapis.com"       = ["DATA_READ"]
  }

  project = var.project
  service = each.key

  dynamic "audit_log_config" {
    for_each = each.value
    content {
      log_type         = audit_log_config.value
      exempted_members = each.key == "iam.googleapis.com" || var.audit_functions ? [] : [for m in local.modules : "serviceAccount:${m.service_account}"]
    }
  }
}

locals {
  # Other buckets hold source and Terraform's state, which whoever deploys may read. What
  # copies a database whole, and keys by which to be a function, whose reads are exempt
  # above, are not data access to Google, but administration.
  human_access = <<-EOT
    protoPayload.authenticationInfo.principalEmail:*
    AND NOT protoPayload.authenticationInfo.principalEmail=~"gserviceaccount[.]com$"
    AND (
      (log_id("cloudaudit.googleapis.com/data_access") AND (
        protoPayload.serviceName=("firestore.googleapis.com" OR "datastore.googleapis.com" OR "iamcredentials.googleapis.com")
        OR (protoPayload.serviceName="storage.googleapis.com" AND protoPayload.resourceName=~"^projects/_/buckets/${var.project}-lethe(-access-log)?(/|$)")
      ))
      OR (log_id("cloudaudit.googleapis.com/activity") AND (
        protoPayload.methodName=~"FirestoreAdmin[.](ExportDocuments|CloneDatabase|RestoreDatabase)$"
        OR protoPayload.methodName=~"[.]CreateServiceAccountKey$"
      ))
    )
  EOT
}

resource "google_monitoring_alert_policy" "human_access" {
  display_name          = "A human has read data past Lethe"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = [for c in google_monitoring_notification_channel.email : c.name]
  user_labels           = { playbook = "human-access" }

  conditions {
    display_name = "access of somebody who is no service account"
    condition_matched_log {
      filter = local.human_access
      label_extractors = {
        principal = "EXTRACT(protoPayload.authenticationInfo.principalEmail)"
        method    = "EXTRACT(protoPayload.methodName)"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = file("${path.module}/playbooks/human-access.md")
    links {
      display_name = "Playbook"
      url          = "${var.playbooks_url}/human-access.md"
    }
  }

  alert_strategy {
    auto_close = "604800s"
    notification_rate_limit {
      period = "300s"
    }
  }
}
