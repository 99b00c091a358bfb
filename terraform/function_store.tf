# Writes events to Firestore, and opt-outs to edge.
module "store" {
  source = "./modules/function"

  name      = "store"
  setup     = local.setup
  topics    = local.topics
  databases = { "(default)" = "roles/datastore.user", edge = "roles/datastore.user" }

  endpoints = {
    store = { entry_point = "Store", topic = "events", memory = "1Gi", instances = 50 }
  }
}
