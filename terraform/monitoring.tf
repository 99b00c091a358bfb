# What is watched, from what the functions log and what Google counts:
#
#   log lines ─▶ local.lines ─▶ log-based metrics ─┐
#   Cloud Run's and Pub/Sub's own metrics ─────────┼─▶ alerts.tf: alerts, each with its playbook
#                                                  ├─▶ objectives (SLO)
#                                                  └─▶ dashboard.tf

locals {
  functions_log = "resource.type=\"cloud_run_revision\""

  # The lines of the functions' logs that are counted, or whose value is. A bound of a
  # bucket stands at each limit that an alert has, so that the limit is exact.
  lines = {
    "request-finished" = {
      message = "request finished"
      where   = "jsonPayload.status=\"done\""
      value   = "hours"
      bounds  = [1, 6, 12, 24 * var.request_days, 720]
    }
    "request-failed" = {
      message = "request failed"
      where   = "jsonPayload.kind:*"
    }
    "unfinished-request" = {
      message = "forward progress"
      value   = "request_hours"
      bounds  = [1, 24, 72, 168, 336, local.limits.request_hours, 720]
    }
    "purged" = {
      message = "forward progress"
      value   = "purge_hours"
      bounds  = [1, 6, 12, 18, 24, local.limits.purge_hours, 48]
    }
    "retention-overdue" = {
      message = "retention run"
      where   = "jsonPayload.overdue=true"
    }
    "events-purged" = {
      message = "retention run"
      value   = "events"
      bounds  = [1, 1000, 1000000, 1000000000]
    }
    "sealing" = {
      message = "access log sealing"
      value   = "waiting_seconds"
      bounds  = [60, 120, 300, local.limits.sealing_seconds, 3600]
    }
    "parked" = {
      message = "message parked as dead letter"
    }
    "dropped-for-consent" = {
      message = "dropped for consent"
    }
    "proofs-refused" = {
      message = "identity proofs refused"
    }
    "archive-link" = {
      message = "link to an archive made"
    }
    "incident-overdue" = {
      message = "security event"
      where   = "jsonPayload.security_event=\"incident.overdue\""
    }
    "security-event" = {
      message = "security event"
      where   = "jsonPayload.security_event=(\"auth.repeated\" OR \"export.large\" OR \"deletion.burst\" OR \"links.refused\" OR \"grant.exceeded\")"
    }
  }

  metric_types = { for k, m in google_logging_metric.lines : k => "logging.googleapis.com/user/${m.name}" }
}

resource "google_logging_metric" "lines" {
  for_each = local.lines

  name = "lethe-${each.key}"
  filter = join(" AND ", compact([
    local.functions_log,
    "jsonPayload.message=\"${each.value.message}\"",
    try(each.value.where, ""),
  ]))
  value_extractor = try("EXTRACT(jsonPayload.${each.value.value})", null)

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = can(each.value.value) ? "DISTRIBUTION" : "INT64"
  }
  dynamic "bucket_options" {
    for_each = can(each.value.value) ? [each.value.bounds] : []
    content {
      explicit_buckets {
        bounds = bucket_options.value
      }
    }
  }
}

# Objectives

locals {
  served = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\""
}

resource "google_monitoring_custom_service" "lethe" {
  service_id   = "lethe"
  display_name = "Lethe"
}

# An app must not notice that it is measured: of what reaches ingest, what is refused
# for the caller's own fault counts as served.
resource "google_monitoring_slo" "ingest" {
  service             = google_monitoring_custom_service.lethe.service_id
  slo_id              = "ingest-availability"
  display_name        = "Ingest answers without a server error"
  goal                = 0.999
  rolling_period_days = 28

  request_based_sli {
    good_total_ratio {
      total_service_filter = "${local.served} AND resource.labels.service_name=\"ingest\""
      bad_service_filter   = "${local.served} AND resource.labels.service_name=\"ingest\" AND metric.labels.response_code_class=\"5xx\""
    }
  }
}

# What is not done yet is not in it: for that there is the alert request-late.
resource "google_monitoring_slo" "requests" {
  service             = google_monitoring_custom_service.lethe.service_id
  slo_id              = "requests-in-time"
  display_name        = "Data-subject requests are done within ${var.request_days} days"
  goal                = 0.99
  rolling_period_days = 28

  request_based_sli {
    distribution_cut {
      distribution_filter = "metric.type=\"${local.metric_types["request-finished"]}\" AND resource.type=\"cloud_run_revision\""
      range {
        min = 0
        max = 24 * var.request_days
      }
    }
  }
}
