# The alerts. Each has the name of its playbook, playbooks/NAME.md, and brings it along.

locals {
  limits = {
    purge_hours     = 26
    request_hours   = 25 * 24
    sealing_seconds = 900
  }

  # Two forms of a condition on what local.lines gives: a count, and a largest value.
  of_line = { for k, t in local.metric_types : k => "metric.type=\"${t}\" AND resource.type=\"cloud_run_revision\"" }
  counted = { period = "300s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM" }
  largest = { period = "3600s", aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX" }

  alerts = {
    "purge-late" = {
      title    = "Events are not purged in time"
      severity = "CRITICAL"
      conditions = {
        "no purge of a project within ${local.limits.purge_hours} hours" = merge(local.largest, {
          filter = local.of_line["purged"], above = local.limits.purge_hours
        })
        "events are kept past their retention" = merge(local.counted, { filter = local.of_line["retention-overdue"] })
        "nobody looks whether there is progress" = merge(local.largest, {
          filter = local.of_line["purged"], absent = "10800s"
        })
      }
    }
    "request-late" = {
      title    = "A data-subject request is unfinished for over 25 days"
      severity = "CRITICAL"
      conditions = {
        "oldest unfinished request" = merge(local.largest, {
          filter = local.of_line["unfinished-request"], above = local.limits.request_hours
        })
      }
    }
    "request-failed" = {
      title      = "A data-subject request failed"
      severity   = "ERROR"
      conditions = { "failed requests" = merge(local.counted, { filter = local.of_line["request-failed"] }) }
    }
    "dead-letters" = {
      title    = "Dead letters are not empty"
      severity = "ERROR"
      conditions = {
        "messages in a dead-letter subscription" = {
          filter  = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=monitoring.regex.full_match(\".*-dead\")"
          period  = "300s"
          aligner = "ALIGN_MAX"
          reducer = "REDUCE_MAX"
          by      = ["resource.label.subscription_id"]
        }
      }
    }
    "access-log-sealing" = {
      title    = "The access log is not sealed"
      severity = "ERROR"
      conditions = {
        "entries wait for over ${local.limits.sealing_seconds / 60} minutes" = merge(local.largest, {
          filter = local.of_line["sealing"], period = "300s", above = local.limits.sealing_seconds
        })
        "sealing does not run" = merge(local.counted, {
          filter = "${local.served} AND resource.labels.service_name=\"admin-worker\" AND metric.labels.response_code_class=\"2xx\"", absent = "1800s"
        })
      }
    }
    "incident-unacknowledged" = {
      title      = "A customer has not acknowledged an incident"
      severity   = "CRITICAL"
      conditions = { "notices escalated" = merge(local.counted, { filter = local.of_line["incident-overdue"] }) }
    }
    "security-event" = {
      title      = "Unusual use of the API"
      severity   = "WARNING"
      conditions = { "security events" = merge(local.counted, { filter = local.of_line["security-event"] }) }
    }
    "auth-failures" = {
      title    = "Many requests with a wrong key or token"
      severity = "WARNING"
      conditions = {
        "answers 401 of a function in five minutes" = merge(local.counted, {
          filter = "${local.served} AND metric.labels.response_code=\"401\""
          above  = var.refused_limit
          by     = ["resource.label.service_name"]
        })
      }
    }
    "ingest-availability" = {
      title    = "Ingest fails so often that its objective will be missed"
      severity = "CRITICAL"
      conditions = { # a burn rate of 14.4 uses up 2 % of 28 days' errors in an hour
        "error budget burns" = { filter = "select_slo_burn_rate(\"${google_monitoring_slo.ingest.name}\", \"3600s\")", above = 14.4 }
      }
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "Lethe: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each = local.alerts

  display_name          = each.value.title
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = [for c in google_monitoring_notification_channel.email : c.name]
  user_labels           = { playbook = each.key }

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.key

      dynamic "condition_threshold" {
        for_each = can(conditions.value.absent) ? [] : [conditions.value]
        iterator = c
        content {
          filter          = c.value.filter
          comparison      = "COMPARISON_GT"
          threshold_value = try(c.value.above, 0)
          duration        = "0s"
          dynamic "aggregations" {
            for_each = can(c.value.aligner) ? [c.value] : []
            iterator = a
            content {
              alignment_period     = a.value.period
              per_series_aligner   = a.value.aligner
              cross_series_reducer = a.value.reducer
              group_by_fields      = try(a.value.by, null)
            }
          }
        }
      }

      dynamic "condition_absent" {
        for_each = can(conditions.value.absent) ? [conditions.value] : []
        iterator = c
        content {
          filter   = c.value.filter
          duration = c.value.absent
          aggregations {
            alignment_period     = c.value.period
            per_series_aligner   = c.value.aligner
            cross_series_reducer = c.value.reducer
          }
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = file("${path.module}/playbooks/${each.key}.md")
    links {
      display_name = "Playbook"
      url          = "${var.playbooks_url}/${each.key}.md"
    }
  }

  alert_strategy {
    auto_close = "604800s"
  }
}
