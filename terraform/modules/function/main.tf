# One folder of functions/: its service account, its functions, and what these may do.
#
#   archive ─▶ function, one an entry point ─ runs as ─▶ service account
#   topic ─▶ push subscription ─ OIDC token of the service account ─▶ function
#     └─ refused 20 times ─▶ TOPIC-dead ─▶ subscription TOPIC-dead
#
# Nobody but the caller named here may invoke a function: Pub/Sub for a worker; for an
# API the load balancer (which needs allUsers, but closes every other way in) or, where
# there is none, var.setup.invokers.

locals {
  archive    = "${var.setup.dist}/${var.name}.zip"
  workers    = { for k, e in var.endpoints : k => e if e.topic != null }
  callable   = { for k, e in var.endpoints : k => e if e.topic == null }
  open       = var.public || var.setup.behind_network
  pubsub     = "serviceAccount:service-${var.setup.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  self       = "serviceAccount:${google_service_account.function.email}"
  secrets    = toset(concat(values(var.secret_files), values(var.secret_variables)))
  file_paths = { for k, s in var.secret_files : k => "/secrets/${s}/value" }
}

resource "google_service_account" "function" {
  account_id   = "lethe-${var.name}"
  display_name = "Lethe: functions/${var.name}"
}

# An archive that scripts/package did not make has no hash here, and its upload fails.
resource "google_storage_bucket_object" "source" {
  name   = "${var.name}-${try(filesha256(local.archive), "missing")}.zip"
  bucket = var.setup.source_bucket
  source = local.archive
}

resource "google_cloudfunctions2_function" "functions" {
  for_each = var.endpoints

  name     = each.key
  location = var.setup.region

  build_config {
    runtime           = "go126"
    entry_point       = each.value.entry_point
    service_account   = var.setup.builder
    docker_repository = var.setup.repository
    source {
      storage_source {
        bucket = var.setup.source_bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function.email
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    max_instance_request_concurrency = each.value.concurrency
    max_instance_count               = each.value.instances
    min_instance_count               = each.value.warm
    timeout_seconds                  = each.value.timeout
    ingress_settings = (
      each.value.topic != null ? "ALLOW_INTERNAL_ONLY" :
      var.setup.behind_network ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_ALL"
    )
    environment_variables = merge(var.setup.environment, var.environment, local.file_paths)

    dynamic "secret_volumes" {
      for_each = toset(values(var.secret_files))
      content {
        mount_path = "/secrets/${secret_volumes.value}"
        project_id = var.setup.project
        secret     = secret_volumes.value
        versions {
          version = "latest"
          path    = "value"
        }
      }
    }
    dynamic "secret_environment_variables" {
      for_each = var.secret_variables
      content {
        key        = secret_environment_variables.key
        project_id = var.setup.project
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  # Without its secrets a function does not start.
  depends_on = [google_secret_manager_secret_iam_member.reads]
}

# Who may call

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = local.workers

  name     = google_cloudfunctions2_function.functions[each.key].name
  location = var.setup.region
  role     = "roles/run.invoker"
  member   = local.self
}

resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = local.open ? local.callable : {}

  name     = google_cloudfunctions2_function.functions[each.key].name
  location = var.setup.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = local.open ? {} : { for p in setproduct(keys(local.callable), var.setup.invokers) : join(" ", p) => p }

  name     = google_cloudfunctions2_function.functions[each.value[0]].name
  location = var.setup.region
  role     = "roles/run.invoker"
  member   = each.value[1]
}
