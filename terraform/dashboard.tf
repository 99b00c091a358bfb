# One page that tells how Lethe does.

locals {
  # Title → metric, how it is aligned and summed up, and by what.
  charts = {
    "Requests to ingest, by status" = {
      filter = "${local.served} AND resource.labels.service_name=\"ingest\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["metric.label.response_code_class"]
    }
    "Time of an answer, 95th percentile" = {
      filter  = "metric.type=\"run.googleapis.com/request_latencies\" AND resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = ["resource.label.service_name"]
    }
    "Server errors, by function" = {
      filter = "${local.served} AND metric.labels.response_code_class=\"5xx\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.service_name"]
    }
    "Answers 401, by function" = {
      filter = "${local.served} AND metric.labels.response_code=\"401\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.service_name"]
    }
    "Age of the oldest message, by subscription" = {
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"]
    }
    "Dead letters" = {
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=monitoring.regex.full_match(\".*-dead\")"
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"]
    }
    "Messages parked" = {
      filter = local.of_line["parked"], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["resource.label.service_name"]
    }
    "Oldest unfinished request, hours" = {
      filter = local.of_line["unfinished-request"], aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX", by = []
    }
    "Hours that requests took, 95th percentile" = {
      filter = local.of_line["request-finished"], aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = ["resource.label.service_name"]
    }
    "Hours since the last purge" = {
      filter = local.of_line["purged"], aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX", by = []
    }
    "Purges, 95th percentile of events" = {
      filter = local.of_line["events-purged"], aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = []
    }
    "Access log: seconds until it is sealed" = {
      filter = local.of_line["sealing"], aligner = "ALIGN_PERCENTILE_99", reducer = "REDUCE_MAX", by = []
    }
    "Batches with events dropped for want of consent" = {
      filter = local.of_line["dropped-for-consent"], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = []
    }
    "Requests with identity proofs that prove nothing" = {
      filter = local.of_line["proofs-refused"], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = []
    }
    "Links to archives made" = {
      filter = local.of_line["archive-link"], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = []
    }
  }
}

resource "google_monitoring_dashboard" "lethe" {
  dashboard_json = jsonencode({
    displayName = "Lethe"
    gridLayout = {
      columns = "2"
      widgets = [for title, c in local.charts : {
        title = title
        xyChart = {
          dataSets = [{
            plotType       = "LINE"
            targetAxis     = "Y1"
            legendTemplate = ""
            timeSeriesQuery = {
              timeSeriesFilter = {
                filter = c.filter
                aggregation = {
                  alignmentPeriod    = "300s"
                  perSeriesAligner   = c.aligner
                  crossSeriesReducer = c.reducer
                  groupByFields      = c.by
                }
              }
            }
          }]
        }
      }]
    }
  })
}
