# All of it as it is by default: with the load balancer, without keys of one's own. It is
# one run, and a plan: each walk through the configuration, of which to apply and to
# destroy are four more, starts the provider, and its schema takes seconds.

mock_provider "google" {
  override_during = plan # or what is made up for these is not known before they are
  mock_resource "google_service_account" {}
  mock_resource "google_compute_security_policy" {}

  # The provider takes a name of an account in service_account_id only if it is an e-mail.
  override_resource {
    target = module.export.google_service_account.function
    values = { email = "lethe-export@lethe-test.iam.gserviceaccount.com" }
  }
}

variables {
  project = "lethe-test"
  domain  = "api.example.com"
  mail    = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
}

run "defaults" {
  command = plan
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
    condition     = alltrue(flatten([for a in google_monitoring_alert_policy.alerts : [for c in a.conditions : length(c.condition_threshold) + length(c.condition_absent) == 1]]))
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
    condition     = alltrue(flatten([for c in google_project_iam_audit_config.data : [for l in c.audit_log_config : [for m in l.exempted_members : startswith(m, "serviceAccount:")]]]))
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

  # Rights: rights.yaml has all of them.
  assert {
    condition     = jsonencode(output.rights) == jsonencode({ for f, rights in yamldecode(file("${path.module}/tests/rights.yaml")) : f => toset(rights) })
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
    condition     = local.builder == "projects/lethe-test/serviceAccounts/${google_service_account.builder.email}"
    error_message = "Functions are built by the builder."
  }

  # The load balancer.
  assert {
    condition     = alltrue([for f in values(output.functions) : f.public == !f.worker && f.ingress == (f.worker ? "ALLOW_INTERNAL_ONLY" : "ALLOW_INTERNAL_AND_GCLB")])
    error_message = "APIs are reached through the load balancer alone, workers by Pub/Sub alone."
  }
  assert {
    condition     = jsonencode(keys(google_compute_backend_service.functions)) == jsonencode(sort([for k, f in output.functions : k if !f.worker]))
    error_message = "The load balancer has all APIs, and no worker."
  }
  assert {
    condition = alltrue([for k, b in google_compute_backend_service.functions :
      b.security_policy == google_compute_security_policy.armor[k == "ingest" ? "intake" : "api"].id && b.custom_request_headers == toset(["X-Client-Region:{client_region}"])
    ])
    error_message = "Cloud Armor is before every function, and each is told the client's region."
  }
  assert {
    condition     = anytrue([for r in google_compute_security_policy.armor["api"].rule : strcontains(try(r.match[0].expr[0].expression, ""), "!request.path.matches('^/(v1/reports/")])
    error_message = "Conditions are not taken for SQL."
  }
  assert {
    condition     = alltrue(flatten([for p in google_compute_security_policy.armor : [for r in p.rule : r.rate_limit_options[0].enforce_on_key == "IP" && length(r.rate_limit_options[0].enforce_on_key_configs) == 0 if r.action == "throttle"]]))
    error_message = "Whatever a client says of itself, it is its address that is counted."
  }
  assert {
    condition     = { for r in google_compute_security_policy.armor["api"].rule : r.priority => r.rate_limit_options[0].rate_limit_threshold[0].count if r.action == "throttle" } == { 1900 = 6000, 2000 = 600 }
    error_message = "The dashboard may ask for many, from one address."
  }
  assert {
    condition     = alltrue(flatten([for p in google_compute_security_policy.armor : [for r in p.rule : r.priority >= 2147483647 if r.action == "allow"]]))
    error_message = "Nothing is let in before the limits."
  }
  assert {
    condition     = alltrue([for p in google_compute_security_policy.armor : anytrue([for r in p.rule : r.action == "throttle"]) && anytrue([for r in p.rule : r.action == "deny(403)"])])
    error_message = "Each policy has limits and rules."
  }
  assert {
    condition     = alltrue([for b in google_compute_backend_service.functions : b.custom_response_headers == toset(["Strict-Transport-Security:max-age=31536000"])])
    error_message = "Browsers are told to come with TLS alone."
  }
  assert {
    condition     = alltrue([for p in google_compute_security_policy.armor : p.advanced_options_config[0].json_parsing == "STANDARD"])
    error_message = "Of JSON what it says is held against the rules, not how it is written."
  }
  assert {
    condition     = google_compute_url_map.redirect[0].default_url_redirect[0].https_redirect && google_compute_ssl_policy.tls[0].min_tls_version == "TLS_1_2"
    error_message = "Nothing is served without TLS 1.2 at least."
  }
  assert {
    condition     = alltrue([for d in google_firestore_database.databases : length(d.cmek_config) == 0]) && length(google_kms_crypto_key.data) == 0
    error_message = "There are no keys of one's own unless asked for."
  }
  assert {
    condition     = output.ingest_url == "https://api.example.com" && output.report_url == output.ingest_url && output.certificate == google_compute_managed_ssl_certificate.certificate[0].name
    error_message = "With the load balancer all is at the domain, once that has its certificate."
  }
  assert {
    condition     = output.functions["ingest"].environment.LETHE_TRUST_REGION == "true"
    error_message = "The load balancer says where clients are."
  }
}
