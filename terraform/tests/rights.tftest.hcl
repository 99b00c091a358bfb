# What each function may do: all of it. README.md has the same as a table.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project = "lethe-test"
  domain  = "api.example.com"
  mail    = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
}

# What a role on a project reaches is in its condition.
run "rights" {
  assert {
    condition = jsonencode(output.rights) == jsonencode({
      admin = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic seals", "roles/pubsub.publisher on topic seals-dead", "roles/pubsub.publisher on topic webhooks",
        "roles/secretmanager.secretAccessor on secret lethe-access-log-key", "roles/run.invoker on function admin-worker",
        "roles/storage.objectCreator on bucket access log", "roles/storage.objectViewer on bucket access log", "roles/cloudkms.signerVerifier on key receipts",
      ])
      dashboard = toset(["roles/secretmanager.secretAccessor on secret lethe-staff-client"])
      delete = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic deletions", "roles/pubsub.publisher on topic deletions-dead",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic webhooks",
        "roles/pubsub.publisher on topic events-dead", "roles/pubsub.subscriber on subscription events-dead",
        "roles/run.invoker on function delete-worker",
        "projects/lethe-test/roles/letheArchiveEraser on bucket exports", "roles/cloudkms.signerVerifier on key receipts",
      ])
      export = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic exports", "roles/pubsub.publisher on topic exports-dead",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic webhooks",
        "roles/run.invoker on function export-worker",
        "roles/storage.objectUser on bucket exports", "roles/iam.serviceAccountTokenCreator on itself",
      ])
      incident = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic incidents", "roles/pubsub.publisher on topic incidents-dead",
        "roles/pubsub.publisher on topic webhooks", "roles/pubsub.publisher on topic webhooks-dead",
        "roles/secretmanager.secretAccessor on secret lethe-smtp-password",
        "roles/run.invoker on function incident-worker", "roles/run.invoker on function webhook-worker",
      ])
      ingest = toset(["roles/datastore.viewer on database edge", "roles/pubsub.publisher on topic events"])
      opendsr = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic exports", "roles/pubsub.publisher on topic deletions",
        "roles/pubsub.publisher on topic callbacks", "roles/pubsub.publisher on topic callbacks-dead",
        "roles/secretmanager.secretAccessor on secret lethe-opendsr-key", "roles/secretmanager.secretAccessor on secret lethe-opendsr-cert",
        "roles/run.invoker on function opendsr-worker",
      ])
      person = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic rectifications", "roles/pubsub.publisher on topic rectifications-dead",
        "roles/pubsub.publisher on topic webhooks", "roles/run.invoker on function person-worker",
      ])
      report = toset(["roles/datastore.user on database (default)", "roles/logging.logWriter on project"])
      retention = toset([
        "roles/datastore.user on database (default)", "roles/logging.logWriter on project",
        "roles/pubsub.publisher on topic retention", "roles/pubsub.publisher on topic retention-dead",
        "roles/pubsub.publisher on topic events-dead", "roles/pubsub.subscriber on subscription events-dead",
        "roles/run.invoker on function retention-worker", "projects/lethe-test/roles/letheArchiveEraser on bucket exports",
      ])
      store = toset([
        "roles/datastore.user on database (default)", "roles/datastore.user on database edge",
        "roles/pubsub.publisher on topic events-dead", "roles/run.invoker on function store",
      ])
    })
    error_message = "The rights have changed: ${jsonencode(output.rights)}"
  }
  assert {
    condition = alltrue(flatten([for rights in values(output.rights) : [for r in rights :
      !can(regex("^roles/((owner|editor|viewer|browser) |[^ ]*[aA]dmin)", r)) && !endswith(r, " on every database")
    ]]))
    error_message = "No primitive role, no administrator, no role on every database."
  }
  assert {
    condition     = jsonencode(distinct(flatten([for rights in values(output.rights) : [for r in rights : r if endswith(r, " on project")]]))) == jsonencode(["roles/logging.logWriter on project"])
    error_message = "The one role on the whole project is to write logs."
  }
  assert {
    condition     = google_service_account_iam_member.export_signs.service_account_id == "projects/lethe-test/serviceAccounts/${output.service_accounts.export}"
    error_message = "export makes tokens of itself, and of nobody else."
  }
  assert {
    condition     = google_project_iam_custom_role.archive_eraser.permissions == toset(["storage.objects.delete", "storage.objects.list"])
    error_message = "The eraser of archives can't read them."
  }
  assert {
    condition     = google_project_iam_member.builder_reads.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-123456789012-\")"
    error_message = "The builder reads the sources, and no archive."
  }
  assert {
    condition     = local.builder == "projects/lethe-test/serviceAccounts/${google_service_account.builder.email}"
    error_message = "Functions are built by the builder."
  }
}
