# All of it as it is by default: with the load balancer, without keys of one's own.

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

run "defaults" {
  assert {
    condition     = alltrue([for k, id in output.account_ids : id == "lethe-${k}"])
    error_message = "Each folder of functions/ has a service account of its own name."
  }
  assert {
    condition     = length(distinct(values(output.service_accounts))) == 11
    error_message = "No two folders share a service account."
  }
  assert {
    condition     = contains(keys(google_project_service.apis), "cloudresourcemanager.googleapis.com")
    error_message = "What Terraform reads the project and its rights by stays enabled."
  }
  assert {
    condition     = alltrue([for t in keys(output.topics) : contains(keys(output.topics), "${t}-dead") || endswith(t, "-dead")])
    error_message = "Every topic has its dead letters."
  }
  assert {
    condition     = alltrue([for t in keys(output.topics) : output.dead_letters[t] == "${t}-dead" if !endswith(t, "-dead")])
    error_message = "All dead letters have a subscription."
  }
  assert {
    condition     = alltrue([for j in google_cloud_scheduler_job.schedules : j.time_zone == "Etc/UTC" && contains([base64encode("{}"), base64encode("{\"watch\":true}")], j.pubsub_target[0].data)])
    error_message = "Schedules are of UTC and say nothing."
  }
  assert {
    condition     = google_logging_project_exclusion.requests.filter == "log_id(\"run.googleapis.com/requests\")"
    error_message = "Nothing keeps the URLs of requests."
  }
  assert {
    condition = alltrue([for b in [google_storage_bucket.exports, google_storage_bucket.access_log, google_storage_bucket.source] :
      b.uniform_bucket_level_access && b.public_access_prevention == "enforced" && b.location == "EU" && length(b.cors) == 0
    ])
    error_message = "Every bucket is in the EU, of no public and no other site's."
  }
  assert {
    condition = (google_storage_bucket.exports.soft_delete_policy[0].retention_duration_seconds == 0
      && !google_storage_bucket.exports.versioning[0].enabled && length(google_storage_bucket.exports.retention_policy) == 0
      && anytrue([for r in google_storage_bucket.exports.lifecycle_rule : one(r.action).type == "Delete" && one(r.condition).age == 7])
    )
    error_message = "An archive that is deleted is gone, and none is older than seven days."
  }
  assert {
    condition = (google_logging_project_bucket_config.access_log.locked && google_logging_project_bucket_config.access_log.retention_days == 400
      && google_logging_project_bucket_config.access_log.location == "europe-west1" && google_storage_bucket.access_log.retention_policy[0].is_locked
      && tonumber(google_storage_bucket.access_log.retention_policy[0].retention_period) == 400 * 86400
    )
    error_message = "The access log is locked and stays in the region."
  }
  assert {
    condition = alltrue([for d in google_firestore_database.databases : d.location_id == "eur3"
      && d.delete_protection_state == "DELETE_PROTECTION_ENABLED" && d.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    ])
    error_message = "Databases are in the EU, protected and recoverable."
  }
  assert {
    condition     = length(google_firestore_backup_schedule.daily) == 2 && alltrue([for s in google_firestore_backup_schedule.daily : s.retention == "2592000s"])
    error_message = "Both databases are backed up, for as long as receipts say."
  }
  assert {
    condition     = google_kms_crypto_key.receipts.purpose == "ASYMMETRIC_SIGN" && google_kms_crypto_key.receipts.version_template[0].algorithm == "EC_SIGN_P256_SHA256"
    error_message = "Receipts are signed with ES256."
  }
}
