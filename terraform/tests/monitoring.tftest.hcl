# Alerts, objectives and audit logs.

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
}

run "chosen" {
  variables {
    alert_emails    = ["ops@example.com"]
    request_days    = 5
    audit_functions = true
  }
  assert {
    condition = alltrue([for a in concat(values(google_monitoring_alert_policy.alerts), [google_monitoring_alert_policy.human_access]) :
      length(a.notification_channels) == 1
    ])
    error_message = "Who is named is told of every alert."
  }
  assert {
    condition     = google_monitoring_slo.ingest.goal == 0.999 && google_monitoring_slo.requests.request_based_sli[0].distribution_cut[0].range[0].max == 120
    error_message = "Objectives of ingest and of requests."
  }
  assert {
    condition     = contains(google_logging_metric.lines["request-finished"].bucket_options[0].explicit_buckets[0].bounds, 120)
    error_message = "The cut of the objective is a bound of a bucket."
  }
  assert {
    condition     = alltrue(flatten([for c in google_project_iam_audit_config.data : [for l in c.audit_log_config : length(l.exempted_members) == 0]]))
    error_message = "Nobody is exempt."
  }
}

run "refused" {
  command = plan
  variables {
    alert_emails  = ["nobody"]
    request_days  = 26
    playbooks_url = "http://example.com"
  }
  expect_failures = [var.alert_emails, var.request_days, var.playbooks_url]
}
