# All that can be chosen, chosen: no load balancer, keys of one's own, nothing protected,
# alerts and audit logs for everybody. It is one run, as main.tftest.hcl, and this one is
# applied and destroyed, too.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  # As in main.tftest.hcl.
  override_resource {
    target = module.export.google_service_account.function
    values = { email = "lethe-export@lethe-test.iam.gserviceaccount.com" }
  }
}

variables {
  project = "lethe-test"
  domain  = "api.example.com"
  mail    = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
}

run "chosen" {
  variables {
    alert_emails            = ["ops@example.com"]
    request_days            = 5
    audit_functions         = true
    network                 = false
    invokers                = ["group:customers@example.com"]
    cmek                    = true
    access_log_keys_earlier = ["lethe-access-log+01234567+a+b/c=", "lethe-access-log+89abcdef+d"]
    protect                 = false
    lock                    = false
    budget                  = { billing_account = "000000-000000-000000", currency = "EUR", amount = 500 }
  }

  # Alerts, objectives and audit logs.
  assert {
    condition = alltrue([for a in concat(values(google_monitoring_alert_policy.alerts), [google_monitoring_alert_policy.human_access]) :
      length(a.notification_channels) == 1
    ])
    error_message = "Who is named is told of every alert."
  }
  assert {
    condition     = google_monitoring_slo.ingest.goal == 0.999 && google_monitoring_slo.requests.request_based_sli[0].distribution_cut[0].range[0].max == 120
    error_message = "Objectives of ingest and of requests."
  }
  assert {
    condition     = contains(google_logging_metric.lines["request-finished"].bucket_options[0].explicit_buckets[0].bounds, 120)
    error_message = "The cut of the objective is a bound of a bucket."
  }
  assert {
    condition     = alltrue(flatten([for c in google_project_iam_audit_config.data : [for l in c.audit_log_config : length(l.exempted_members) == 0]]))
    error_message = "Nobody is exempt."
  }

  # Without the load balancer.
  assert {
    condition     = jsonencode([for k, f in output.functions : k if f.public]) == jsonencode(["ingest"])
    error_message = "Without the load balancer ingest alone is public."
  }
  assert {
    condition     = alltrue([for f in values(output.functions) : f.ingress == (f.worker ? "ALLOW_INTERNAL_ONLY" : "ALLOW_ALL")])
    error_message = "Workers are reached by Pub/Sub alone."
  }
  assert {
    condition = (length(google_compute_backend_service.functions) + length(google_compute_security_policy.armor)
    + length(google_compute_global_address.address) + length(google_compute_url_map.https) + length(google_compute_global_forwarding_rule.https)) == 0
    error_message = "There is no load balancer."
  }
  assert {
    condition     = output.address == null && !contains(keys(google_project_service.apis), "compute.googleapis.com")
    error_message = "There is no address either."
  }
  assert {
    condition     = output.certificate == null && output.ingest_url == output.functions["ingest"].uri && output.report_url == output.functions["report"].uri
    error_message = "Functions are where they are by themselves."
  }
  assert {
    condition     = output.functions["ingest"].environment.LETHE_TRUST_REGION == "false"
    error_message = "Clients do not say themselves where they are."
  }

  # Keys.
  assert {
    condition     = jsonencode({ for k, r in google_kms_key_ring.data : k => r.location }) == jsonencode({ buckets = "europe", databases = "europe", topics = "europe-west1" })
    error_message = "Keys are where their data is."
  }
  assert {
    condition = { for k, g in google_kms_crypto_key_iam_member.encrypts : k => g.member } == {
      databases = "serviceAccount:service-123456789012@gcp-sa-firestore.iam.gserviceaccount.com"
      buckets   = "serviceAccount:${data.google_storage_project_service_account.agent[0].email_address}"
      topics    = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    }
    error_message = "Google encrypts as its own agents, Cloud Storage's among them, which is made by being asked for."
  }
  assert {
    condition     = alltrue([for d in google_firestore_database.databases : d.cmek_config[0].kms_key_name == google_kms_crypto_key.data["databases"].id])
    error_message = "Databases are encrypted with their key."
  }
  assert {
    condition = alltrue([for b in [google_storage_bucket.exports, google_storage_bucket.access_log] :
      b.encryption[0].default_kms_key_name == google_kms_crypto_key.data["buckets"].id
    ])
    error_message = "Buckets are encrypted with their key."
  }
  assert {
    condition     = local.setup.topic_key == google_kms_crypto_key.data["topics"].id
    error_message = "Topics are encrypted with their key."
  }
  assert {
    condition     = alltrue([for k in google_kms_crypto_key.data : k.rotation_period == "7776000s"])
    error_message = "Keys are rotated every 90 days."
  }
  assert {
    condition     = output.functions["admin"].environment.LETHE_LOG_KEYS_EARLIER == "lethe-access-log+01234567+a+b/c=,lethe-access-log+89abcdef+d"
    error_message = "What an earlier key has signed is gone on from."
  }

  # The number of the project, known once that has its APIs.
  assert {
    condition     = google_project_iam_member.builder_reads.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-123456789012-\")"
    error_message = "The builder reads the sources, and no archive."
  }

  # Unprotected.
  assert {
    condition = alltrue([for d in google_firestore_database.databases :
      d.delete_protection_state == "DELETE_PROTECTION_DISABLED" && d.deletion_policy == "DELETE"
    ])
    error_message = "Databases can be destroyed."
  }
  assert {
    condition = (google_storage_bucket.exports.force_destroy && google_storage_bucket.access_log.force_destroy
      && length(google_storage_bucket.access_log.retention_policy) == 0
    )
    error_message = "Buckets can be destroyed with what is in them."
  }
  assert {
    condition     = google_billing_budget.budget[0].amount[0].specified_amount[0].units == "500"
    error_message = "The budget is what was asked for."
  }
}
