# The topics that the folder's workers work on. The numbers are those of shared/topology.

resource "google_pubsub_topic" "topics" {
  for_each = { for e in values(local.workers) : e.topic => e }

  name         = each.key
  kms_key_name = var.setup.topic_key
  message_storage_policy {
    allowed_persistence_regions = [var.setup.region]
  }
}

resource "google_pubsub_topic" "dead" {
  for_each = { for e in values(local.workers) : e.topic => e }

  name         = "${each.key}-dead"
  kms_key_name = var.setup.topic_key
  message_storage_policy {
    allowed_persistence_regions = [var.setup.region]
  }
}

resource "google_pubsub_subscription" "push" {
  for_each = local.workers

  name                       = "${each.value.topic}-${each.key}"
  topic                      = google_pubsub_topic.topics[each.value.topic].id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = "" # never
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead[each.value.topic].id
    max_delivery_attempts = 20
  }
  push_config {
    push_endpoint = google_cloudfunctions2_function.functions[each.key].service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.function.email
      audience              = google_cloudfunctions2_function.functions[each.key].service_config[0].uri
    }
  }

  # A push that nobody may make yet would count as a delivery.
  depends_on = [google_cloud_run_v2_service_iam_member.push]
}

# scripts/replay reads it; erasures and the daily purge sweep that of events.
resource "google_pubsub_subscription" "dead" {
  for_each = google_pubsub_topic.dead

  name                       = each.value.name
  topic                      = each.value.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves a message to the dead letters: it takes it from one and
# publishes it to the other.
resource "google_pubsub_subscription_iam_member" "forwards" {
  for_each = local.workers

  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

resource "google_pubsub_topic_iam_member" "forwards" {
  for_each = google_pubsub_topic.dead

  topic  = each.value.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub
}
