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
