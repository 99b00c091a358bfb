# The jobs of shared/topology: a message each time. Cloud Scheduler's own service agent
# may publish them (roles/cloudscheduler.serviceAgent, which Google grants it).
resource "google_cloud_scheduler_job" "schedules" {
  for_each = {
    seals           = { topic = "seals", at = "* * * * *", data = "{}" }
    webhooks        = { topic = "webhooks", at = "* * * * *", data = "{}" }
    incidents       = { topic = "incidents", at = "0 * * * *", data = "{}" }
    retention       = { topic = "retention", at = "0 3 * * *", data = "{}" }
    retention-watch = { topic = "retention", at = "30 * * * *", data = "{\"watch\":true}" }
  }

  name      = each.key
  region    = var.region
  schedule  = each.value.at
  time_zone = "Etc/UTC"
  pubsub_target {
    topic_name = local.topics[each.value.topic]
    data       = base64encode(each.value.data)
  }

  depends_on = [google_project_service.apis]
}
