# All of it as it is by default: with the load balancer, without keys of one's own. It is
# one run, of which each takes Terraform some seconds.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project = "lethe-test"
  domain  = "api.example.com"
  mail    = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
}

run "defaults" {
  assert {
    condition     = alltrue([for k, id in output.account_ids : id == "lethe-${k}"])
    error_message = "Each folder of functions/ has a service account of its own name."
  }
  assert {
    condition     = length(distinct(values(output.service_accounts))) == 11
    error_message = "No two folders share a service account."
  }
  assert {
    condition     = contains(keys(google_project_service.apis), "cloudresourcemanager.googleapis.com")
    error_message = "What Terraform reads the project and its rights by stays enabled."
  }
  assert {
    condition     = alltrue([for t in keys(output.topics) : contains(keys(output.topics), "${t}-dead") || endswith(t, "-dead")])
    error_message = "Every topic has its dead letters."
  }
  assert {
    condition     = alltrue([for t in keys(output.topics) : output.dead_letters[t] == "${t}-dead" if !endswith(t, "-dead")])
    error_message = "All dead letters have a subscription."
  }
  assert {
    condition     = alltrue([for j in google_cloud_scheduler_job.schedules : j.time_zone == "Etc/UTC" && contains([base64encode("{}"), base64encode("{\"watch\":true}")], j.pubsub_target[0].data)])
    error_message = "Schedules are of UTC and say nothing."
  }
  assert {
    condition     = google_logging_project_exclusion.requests.filter == "log_id(\"run.googleapis.com/requests\")"
    error_message = "Nothing keeps the URLs of requests."
  }
  assert {
    condition = alltrue([for b in [google_storage_bucket.exports, google_storage_bucket.access_log, google_storage_bucket.source] :
      b.uniform_bucket_level_access && b.public_access_prevention == "enforced" && b.location == "EU" && length(b.cors) == 0
    ])
    error_message = "Every bucket is in the EU, of no public and no other site's."
  }
  assert {
    condition = (google_storage_bucket.exports.soft_delete_policy[0].retention_duration_seconds == 0
      && !google_storage_bucket.exports.versioning[0].enabled && length(google_storage_bucket.exports.retention_policy) == 0
      && anytrue([for r in google_storage_bucket.exports.lifecycle_rule : one(r.action).type == "Delete" && one(r.condition).age == 7])
    )
    error_message = "An archive that is deleted is gone, and none is older than seven days."
  }
  assert {
    condition = (google_logging_project_bucket_config.access_log.locked && google_logging_project_bucket_config.access_log.retention_days == 400
      && google_logging_project_bucket_config.access_log.location == "europe-west1" && google_storage_bucket.access_log.retention_policy[0].is_locked
      && tonumber(google_storage_bucket.access_log.retention_policy[0].retention_period) == 400 * 86400
    )
    error_message = "The access log is locked and stays in the region."
  }
  assert {
    condition = alltrue([for d in google_firestore_database.databases : d.location_id == "eur3"
      && d.delete_protection_state == "DELETE_PROTECTION_ENABLED" && d.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    ])
    error_message = "Databases are in the EU, protected and recoverable."
  }
  assert {
    condition     = length(google_firestore_backup_schedule.daily) == 2 && alltrue([for s in google_firestore_backup_schedule.daily : s.retention == "2592000s"])
    error_message = "Both databases are backed up, for as long as receipts say."
  }
  assert {
    condition     = google_kms_crypto_key.receipts.purpose == "ASYMMETRIC_SIGN" && google_kms_crypto_key.receipts.version_template[0].algorithm == "EC_SIGN_P256_SHA256"
    error_message = "Receipts are signed with ES256."
  }

  # Alerts, objectives and audit logs.
  assert {
    condition = toset(keys(google_monitoring_alert_policy.alerts)) == toset([
      "purge-late", "request-late", "request-failed", "dead-letters", "access-log-sealing", "incident-unacknowledged",
      "security-event", "auth-failures", "ingest-availability",
    ])
    error_message = "Each thing that can stop has its alert."
  }
  assert {
    condition = alltrue([for k, a in merge(google_monitoring_alert_policy.alerts, { "human-access" = google_monitoring_alert_policy.human_access }) :
      a.user_labels.playbook == k && endswith(a.documentation[0].links[0].url, "/terraform/playbooks/${k}.md") && startswith(a.documentation[0].content, "# ")
    ])
    error_message = "Each alert brings its playbook along."
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.alerts : length(a.documentation[0].content) <= 8192])
    error_message = "Cloud Monitoring takes no longer text."
  }
  assert {
    condition = alltrue(flatten([for a in google_monitoring_alert_policy.alerts : [for c in a.conditions :
      length(c.condition_threshold) + length(c.condition_absent) == 1
    ]]))
    error_message = "A condition is of one form."
  }
  assert {
    condition = {
      for c in concat(google_monitoring_alert_policy.alerts["purge-late"].conditions, google_monitoring_alert_policy.alerts["request-late"].conditions) :
      c.display_name => c.condition_threshold[0].threshold_value if length(c.condition_threshold) == 1
      } == {
      "no purge of a project within 26 hours" = 26
      "events are kept past their retention"  = 0
      "oldest unfinished request"             = 600
    }
    error_message = "Limits: 26 hours without a purge, 25 days with an unfinished request."
  }
  assert {
    condition     = [for c in google_monitoring_alert_policy.alerts["purge-late"].conditions : c.condition_absent[0].duration if length(c.condition_absent) == 1] == ["10800s"]
    error_message = "That nobody looks any more is found out too."
  }
  assert {
    condition     = alltrue([for t in keys(output.dead_letters) : can(regex("^.*-dead$", output.dead_letters[t]))]) && strcontains(google_monitoring_alert_policy.alerts["dead-letters"].conditions[0].condition_threshold[0].filter, "full_match(\".*-dead\")")
    error_message = "The alert sees the dead letters of every topic."
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.lines : length(m.bucket_options) == (m.value_extractor == null ? 0 : 1)])
    error_message = "Where a value is taken it has buckets."
  }
  assert {
    condition     = length(google_monitoring_notification_channel.email) == 0
    error_message = "Nobody is told unless somebody is named."
  }
  assert {
    condition = { for k, c in google_project_iam_audit_config.data : k => toset([for l in c.audit_log_config : l.log_type]) } == {
      "datastore.googleapis.com" = toset(["DATA_READ", "DATA_WRITE"])
      "storage.googleapis.com"   = toset(["DATA_READ", "DATA_WRITE"])
      "iam.googleapis.com"       = toset(["DATA_READ"])
    }
    error_message = "Reads and writes of data, and tokens of service accounts, are in the audit logs."
  }
  assert {
    condition = alltrue(flatten([for c in google_project_iam_audit_config.data : [for l in c.audit_log_config : [for m in l.exempted_members :
      startswith(m, "serviceAccount:")
    ]]]))
    error_message = "No human is exempt."
  }
  assert {
    condition     = alltrue([for l in google_project_iam_audit_config.data["iam.googleapis.com"].audit_log_config : length(l.exempted_members) == 0])
    error_message = "Nobody makes tokens unseen."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.human_access.conditions[0].condition_matched_log[0].filter, "buckets/lethe-test-lethe(-access-log)?(/|$)")
    error_message = "Reads of the buckets of archives and of the access log raise the alert."
  }
  assert {
    condition = alltrue([for what in ["cloudaudit.googleapis.com/activity", "ExportDocuments", "CloneDatabase", "RestoreDatabase", "CreateServiceAccountKey"] :
      strcontains(google_monitoring_alert_policy.human_access.conditions[0].condition_matched_log[0].filter, what)
    ])
    error_message = "So does what copies a database whole, and a key by which to be a function."
  }

  # What each function may do: all of it. README.md has the same as a table. What a role
  # on a project reaches is in its condition.
  assert {
    condition = jsonencode(output.rights) == jsonencode({
      admin = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic seals", "roles/pubsub.publisher on topic seals-dead", "roles/pubsub.publisher on topic webhooks",
        "roles/secretmanager.secretAccessor on secret lethe-access-log-key", "roles/run.invoker on function admin-worker",
        "roles/storage.objectCreator on bucket access log", "roles/storage.objectViewer on bucket access log", "roles/cloudkms.signerVerifier on key receipts",
      ])
      dashboard = toset(["roles/secretmanager.secretAccessor on secret lethe-staff-client"])
      delete = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic deletions", "roles/pubsub.publisher on topic deletions-dead",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic webhooks",
        "roles/pubsub.publisher on topic events-dead", "roles/pubsub.subscriber on subscription events-dead",
        "roles/run.invoker on function delete-worker",
        "projects/lethe-test/roles/letheArchiveEraser on bucket exports", "roles/cloudkms.signerVerifier on key receipts",
      ])
      export = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic exports", "roles/pubsub.publisher on topic exports-dead",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic webhooks",
        "roles/run.invoker on function export-worker",
        "roles/storage.objectUser on bucket exports", "roles/iam.serviceAccountTokenCreator on itself",
      ])
      incident = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic incidents", "roles/pubsub.publisher on topic incidents-dead",
        "roles/pubsub.publisher on topic webhooks", "roles/pubsub.publisher on topic webhooks-dead",
        "roles/secretmanager.secretAccessor on secret lethe-smtp-password",
        "roles/run.invoker on function incident-worker", "roles/run.invoker on function webhook-worker",
      ])
      ingest = toset(["roles/datastore.viewer on database edge", "roles/pubsub.publisher on topic events"])
      opendsr = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic exports", "roles/pubsub.publisher on topic deletions",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic callbacks-dead",
        "roles/secretmanager.secretAccessor on secret lethe-opendsr-key", "roles/secretmanager.secretAccessor on secret lethe-opendsr-cert",
        "roles/run.invoker on function opendsr-worker",
      ])
      person = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic rectifications", "roles/pubsub.publisher on topic rectifications-dead",
        "roles/pubsub.publisher on topic webhooks", "roles/run.invoker on function person-worker",
      ])
      report = toset(["roles/datastore.user on database (default)", "roles/logging.logWriter on project"])
      retention = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic retention", "roles/pubsub.publisher on topic retention-dead",
        "roles/pubsub.publisher on topic events-dead", "roles/pubsub.subscriber on subscription events-dead",
        "roles/run.invoker on function retention-worker", "projects/lethe-test/roles/letheArchiveEraser on bucket exports",
      ])
      store = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge",
        "roles/pubsub.publisher on topic events-dead", "roles/run.invoker on function store",
      ])
    })
    error_message = "The rights have changed: ${jsonencode(output.rights)}"
  }
  assert {
    condition = alltrue(flatten([for rights in values(output.rights) : [for r in rights :
      !can(regex("^roles/((owner|editor|viewer|browser) |[^ ]*[aA]dmin)", r)) && !endswith(r, " on every database")
    ]]))
    error_message = "No primitive role, no administrator, no role on every database."
  }
  assert {
    condition     = jsonencode(distinct(flatten([for rights in values(output.rights) : [for r in rights : r if endswith(r, " on project")]]))) == jsonencode(["roles/logging.logWriter on project"])
    error_message = "The one role on the whole project is to write logs."
  }
  assert {
    condition     = google_service_account_iam_member.export_signs.service_account_id == "projects/lethe-test/serviceAccounts/${output.service_accounts.export}"
    error_message = "export makes tokens of itself, and of nobody else."
  }
  assert {
    condition     = google_project_iam_custom_role.archive_eraser.permissions == toset(["storage.objects.delete", "storage.objects.list"])
    error_message = "The eraser of archives can't read them."
  }
  assert {
    condition     = google_project_iam_member.builder_reads.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-123456789012-\")"
    error_message = "The builder reads the sources, and no archive."
  }
  assert {
    condition     = local.builder == "projects/lethe-test/serviceAccounts/${google_service_account.builder.email}"
    error_message = "Functions are built by the builder."
  }
}
