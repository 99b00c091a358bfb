# All that the service account may do, but for what a function's own file adds.

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = setunion(var.publishes, [for e in values(local.workers) : "${e.topic}-dead"])

  topic  = var.topics[each.key]
  role   = "roles/pubsub.publisher"
  member = local.self
}

# Firestore's roles are of a project; the condition is what keeps one database from who
# may see the other.
resource "google_project_iam_member" "databases" {
  for_each = var.databases

  project = var.setup.project
  role    = each.value
  member  = local.self
  condition {
    title      = "lethe-database"
    expression = "resource.name == \"projects/${var.setup.project}/databases/${var.setup.databases[each.key]}\""
  }
}

resource "google_project_iam_member" "logs" {
  for_each = var.audits ? toset(["roles/logging.logWriter"]) : toset([])

  project = var.setup.project
  role    = each.value
  member  = local.self
}

resource "google_secret_manager_secret_iam_member" "reads" {
  for_each = local.secrets

  project   = var.setup.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = local.self
}
