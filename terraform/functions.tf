# What the functions share. Each has a file of its own beside this one.

locals {
  setup = {
    project        = var.project
    project_number = data.google_project.current.number
    region         = var.region
    source_bucket  = google_storage_bucket.source.name
    dist           = var.dist
    builder        = local.builder
    repository     = google_artifact_registry_repository.functions.id
    behind_network = var.network
    invokers       = var.invokers
    topic_key      = var.cmek ? google_kms_crypto_key_iam_member.encrypts["topics"].crypto_key_id : null
    databases      = { for k, d in google_firestore_database.databases : k => d.name }
    environment = {
      GOOGLE_CLOUD_PROJECT = var.project
      # The load balancer appends the client's address and its own; Cloud Run alone one.
      LETHE_TRUSTED_HOPS = var.network ? "2" : "1"
    }
  }

  public_url = "https://${var.domain}"
  staff = {
    LETHE_STAFF_AUDIENCE = var.staff.audience
    LETHE_STAFF_DOMAIN   = var.staff.domain
    LETHE_STAFF_ROOT     = var.staff.root
  }

  modules = {
    admin     = module.admin
    dashboard = module.dashboard
    delete    = module.delete
    export    = module.export
    incident  = module.incident
    ingest    = module.ingest
    opendsr   = module.opendsr
    person    = module.person
    report    = module.report
    retention = module.retention
    store     = module.store
  }

  # By attribute, and not by local.modules: modules need each other's topics.
  topics = merge(
    module.admin.topics, module.dashboard.topics, module.delete.topics, module.export.topics, module.incident.topics, module.ingest.topics,
    module.opendsr.topics, module.person.topics, module.report.topics, module.retention.topics, module.store.topics,
  )

  # For the other files: all of a kind, of all functions.
  dead_letters = merge([for m in values(local.modules) : m.dead_letters]...)
  functions    = merge([for m in values(local.modules) : m.functions]...)
}

# Cloud Run logs a line a request with the URL, in which the API names persons and SDKs
# send events, and the client's address. Nobody here needs it: functions log what they
# do, without persons, and alerts count Cloud Run's metrics.
resource "google_logging_project_exclusion" "requests" {
  name   = "lethe-requests"
  filter = "log_id(\"run.googleapis.com/requests\")"

  depends_on = [google_project_service.apis]
}
