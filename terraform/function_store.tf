# Writes events to Firestore, and opt-outs to edge; works on what events say of who is who.
module "store" {
  source = "./modules/function"

  name      = "store"
  setup     = local.setup
  topics    = local.topics
  publishes = ["links"]
  databases = { "(default)" = "roles/datastore.user", edge = "roles/datastore.user" }

  endpoints = {
    store = { entry_point = "Store", topic = "events", memory = "1Gi", instances = 50 }
    # Fewer instances than of the store: a flood of links must not take Firestore from it.
    link-worker = { entry_point = "LinkWorker", topic = "links", concurrency = 8, instances = 10 }
  }
}
