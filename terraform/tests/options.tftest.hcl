# What can be chosen: the load balancer, keys of one's own, and what is refused.

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

run "network_on" {
  assert {
    condition     = alltrue([for f in values(output.functions) : f.public == !f.worker && f.ingress == (f.worker ? "ALLOW_INTERNAL_ONLY" : "ALLOW_INTERNAL_AND_GCLB")])
    error_message = "APIs are reached through the load balancer alone, workers by Pub/Sub alone."
  }
  assert {
    condition     = jsonencode(keys(google_compute_backend_service.functions)) == jsonencode(sort([for k, f in output.functions : k if !f.worker]))
    error_message = "The load balancer has all APIs, and no worker."
  }
  assert {
    condition = alltrue([for k, b in google_compute_backend_service.functions :
      b.security_policy == google_compute_security_policy.armor[k == "ingest" ? "intake" : "api"].id && b.custom_request_headers == toset(["X-Client-Region:{client_region}"])
    ])
    error_message = "Cloud Armor is before every function, and each is told the client's region."
  }
  assert {
    condition     = anytrue([for r in google_compute_security_policy.armor["api"].rule : strcontains(try(r.match[0].expr[0].expression, ""), "!request.path.matches('^/(v1/reports/")])
    error_message = "Conditions are not taken for SQL."
  }
  assert {
    condition = alltrue(flatten([for p in google_compute_security_policy.armor : [for r in p.rule :
      r.rate_limit_options[0].enforce_on_key == "IP" && length(r.rate_limit_options[0].enforce_on_key_configs) == 0
    if r.action == "throttle"]]))
    error_message = "Whatever a client says of itself, it is its address that is counted."
  }
  assert {
    condition = { for r in google_compute_security_policy.armor["api"].rule : r.priority => r.rate_limit_options[0].rate_limit_threshold[0].count if r.action == "throttle" } == {
      1900 = 6000, 2000 = 600
    }
    error_message = "The dashboard may ask for many, from one address."
  }
  assert {
    condition     = alltrue(flatten([for p in google_compute_security_policy.armor : [for r in p.rule : r.priority >= 2147483647 if r.action == "allow"]]))
    error_message = "Nothing is let in before the limits."
  }
  assert {
    condition     = alltrue([for p in google_compute_security_policy.armor : anytrue([for r in p.rule : r.action == "throttle"]) && anytrue([for r in p.rule : r.action == "deny(403)"])])
    error_message = "Each policy has limits and rules."
  }
  assert {
    condition     = alltrue([for b in google_compute_backend_service.functions : b.custom_response_headers == toset(["Strict-Transport-Security:max-age=31536000"])])
    error_message = "Browsers are told to come with TLS alone."
  }
  assert {
    condition     = alltrue([for p in google_compute_security_policy.armor : p.advanced_options_config[0].json_parsing == "STANDARD"])
    error_message = "Of JSON what it says is held against the rules, not how it is written."
  }
  assert {
    condition     = google_compute_url_map.redirect[0].default_url_redirect[0].https_redirect && google_compute_ssl_policy.tls[0].min_tls_version == "TLS_1_2"
    error_message = "Nothing is served without TLS 1.2 at least."
  }
  assert {
    condition     = alltrue([for d in google_firestore_database.databases : length(d.cmek_config) == 0]) && length(google_kms_crypto_key.data) == 0
    error_message = "There are no keys of one's own unless asked for."
  }
  assert {
    condition     = output.ingest_url == "https://api.example.com" && output.report_url == output.ingest_url && output.certificate == google_compute_managed_ssl_certificate.certificate[0].name
    error_message = "With the load balancer all is at the domain, once that has its certificate."
  }
  assert {
    condition     = output.functions["ingest"].environment.LETHE_TRUST_REGION == "true"
    error_message = "The load balancer says where clients are."
  }
}

run "network_off" {
  variables {
    network  = false
    invokers = ["group:customers@example.com"]
  }
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
}

run "keys" {
  variables {
    cmek                    = true
    access_log_keys_earlier = ["lethe-access-log+01234567+a+b/c=", "lethe-access-log+89abcdef+d"]
  }
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
}

run "unprotected" {
  command = plan
  variables {
    protect = false
    lock    = false
    budget  = { billing_account = "000000-000000-000000", currency = "EUR", amount = 500 }
  }
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

run "refused" {
  command = plan
  variables {
    project            = "Lethe"
    region             = "Europe"
    firestore_location = "EU"
    bucket_location    = "eur3"
    domain             = "https://api.example.com"
    invokers           = ["allUsers"]
    backup_days        = 99
    access_log_days    = 7
    api_rate           = 0
    intake_rate        = 0
    mail               = { host = "smtp.example.com", user = "lethe", from = "lethe", security = "security@example.com" }
  }
  expect_failures = [
    var.project, var.region, var.firestore_location, var.bucket_location, var.domain, var.invokers,
    var.backup_days, var.access_log_days, var.api_rate, var.intake_rate, var.mail,
  ]
}

run "refused_names" {
  command = plan
  variables {
    access_log_keys_earlier = ["PRIVATE+KEY+lethe-access-log+01234567+a"]
    opendsr_domain          = "https://privacy.example.com"
    staff                   = { audience = "a", root = "privacy-officer" }
    mail                    = { host = "smtp.example.com", port = 25, user = "lethe", from = "lethe@example.com", security = "security@example.com" }
  }
  expect_failures = [var.access_log_keys_earlier, var.opendsr_domain, var.staff, var.mail]
}

run "refused_port" {
  command = plan
  variables {
    mail = { host = "smtp.example.com", port = 70000, user = "lethe", from = "lethe@example.com", security = "security@example.com" }
  }
  expect_failures = [var.mail]
}
