# Reads, rectifies and restricts persons.
module "person" {
  source = "./modules/function"

  name        = "person"
  setup       = local.setup
  topics      = local.topics
  publishes   = ["links", "rectifications", "webhooks"]
  databases   = { "(default)" = "roles/datastore.user", edge = "roles/datastore.user" }
  audits      = true
  environment = local.staff

  endpoints = {
    person        = { entry_point = "Person", paths = ["/v1/people/*", "/v1/rectifications", "/v1/rectifications/*"], timeout = 70 }
    person-worker = { entry_point = "PersonWorker", topic = "rectifications", memory = "1Gi", concurrency = 4 }
  }
}
