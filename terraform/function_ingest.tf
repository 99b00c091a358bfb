# Takes events from SDKs. The most exposed of all: it can publish them and read what binds
# intake, and can read nothing that it collects.
module "ingest" {
  source = "./modules/function"

  name      = "ingest"
  setup     = local.setup
  topics    = local.topics
  public    = true
  publishes = ["events"]
  databases = { edge = "roles/datastore.viewer" }

  # The load balancer writes where the client is; without it the client could.
  environment = { LETHE_TRUST_REGION = tostring(var.network) }

  endpoints = {
    ingest = {
      entry_point = "Ingest"
      paths       = ["/track", "/track/*", "/engage", "/engage/*", "/import", "/import/*", "/consent", "/sdk.js", "/sdk.mjs", "/sdk.d.ts"]
      concurrency = 80
      instances   = 100
      warm        = 1
    }
  }
}
