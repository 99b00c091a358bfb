# One function: modules/function by itself.

mock_provider "google" {
  override_during = plan
  mock_resource "google_cloudfunctions2_function" {}
  mock_resource "google_pubsub_topic" {}
  mock_resource "google_service_account" {}
}

variables {
  name = "store"
  setup = {
    project        = "lethe-test"
    project_number = "123456789012"
    region         = "europe-west1"
    source_bucket  = "source"
    dist           = "dist"
    builder        = "projects/lethe-test/serviceAccounts/builder"
    repository     = "projects/lethe-test/locations/europe-west1/repositories/lethe"
    behind_network = true
    invokers       = []
    topic_key      = "key"
    databases      = { "(default)" = "(default)", edge = "edge" }
    environment    = { GOOGLE_CLOUD_PROJECT = "lethe-test" }
  }
  topics           = { events = "t/events", "events-dead" = "t/events-dead", webhooks = "t/webhooks" }
  publishes        = ["webhooks"]
  databases        = { edge = "roles/datastore.viewer" }
  secret_files     = { LETHE_LOG_KEY_FILE = "a-key" }
  secret_variables = { LETHE_SMTP_PASSWORD = "a-word" }
  endpoints = {
    api   = { entry_point = "API", paths = ["/v1/x"] }
    store = { entry_point = "Store", topic = "events" }
  }
}

run "worker" {
  command = plan
  module {
    source = "./modules/function"
  }
  assert {
    condition     = length(google_cloudfunctions2_function.functions) == 2 && alltrue([for f in google_cloudfunctions2_function.functions : f.service_config[0].service_account_email == google_service_account.function.email])
    error_message = "Both entry points run as the one service account."
  }
  assert {
    condition = (google_pubsub_subscription.push["store"].name == "events-store"
      && google_pubsub_subscription.push["store"].push_config[0].push_endpoint == google_cloudfunctions2_function.functions["store"].service_config[0].uri
      && google_pubsub_subscription.push["store"].push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.functions["store"].service_config[0].uri
      && google_pubsub_subscription.push["store"].push_config[0].oidc_token[0].service_account_email == google_service_account.function.email
    )
    error_message = "The topic is pushed to the worker, with a token made out to it."
  }
  assert {
    condition = (google_pubsub_subscription.push["store"].dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead["events"].id
      && google_pubsub_subscription.dead["events"].topic == google_pubsub_topic.dead["events"].id
      && google_pubsub_subscription.push["store"].expiration_policy[0].ttl == "" && google_pubsub_subscription.dead["events"].expiration_policy[0].ttl == ""
    )
    error_message = "What is refused goes to the dead letters, and no subscription ends by itself."
  }
  assert {
    condition = (google_pubsub_topic_iam_member.forwards["events"].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
      && google_pubsub_subscription_iam_member.forwards["store"].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub may move messages to the dead letters."
  }
  assert {
    condition = alltrue([for t in [google_pubsub_topic.topics["events"], google_pubsub_topic.dead["events"]] :
      t.kms_key_name == "key" && t.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west1"])
    ])
    error_message = "Messages stay in the region, under the key."
  }
  assert {
    condition     = google_project_iam_member.databases["edge"].condition[0].expression == "resource.name == \"projects/lethe-test/databases/edge\""
    error_message = "A role on a database is on that alone."
  }
  assert {
    condition = (google_cloudfunctions2_function.functions["store"].service_config[0].environment_variables == tomap({
      GOOGLE_CLOUD_PROJECT = "lethe-test", LETHE_LOG_KEY_FILE = "/secrets/a-key/value"
      }) && one(google_cloudfunctions2_function.functions["store"].service_config[0].secret_volumes).secret == "a-key"
      && one(google_cloudfunctions2_function.functions["store"].service_config[0].secret_environment_variables).key == "LETHE_SMTP_PASSWORD"
    )
    error_message = "No secret is in an environment variable of its own."
  }
}
