# What is refused. Of the configuration and of modules/function here are the variables
# alone, by links: without resources no provider is started. Each variable that is named
# must be refused by itself.

variables {
  project = "lethe-test"
  domain  = "api.example.com"
  mail    = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
}

run "refused" {
  command = plan
  module {
    source = "./tests/variables/all"
  }
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
    alert_emails       = ["nobody"]
    request_days       = 26
    playbooks_url      = "http://example.com"
  }
  expect_failures = [
    var.project, var.region, var.firestore_location, var.bucket_location, var.domain, var.invokers,
    var.backup_days, var.access_log_days, var.api_rate, var.intake_rate, var.mail,
    var.alert_emails, var.request_days, var.playbooks_url,
  ]
}

run "refused_names" {
  command = plan
  module {
    source = "./tests/variables/all"
  }
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
  module {
    source = "./tests/variables/all"
  }
  variables {
    mail = { host = "smtp.example.com", port = 70000, user = "lethe", from = "lethe@example.com", security = "security@example.com" }
  }
  expect_failures = [var.mail]
}

run "refused_of_function" {
  command = plan
  module {
    source = "./tests/variables/function"
  }
  variables {
    name = "store"
    setup = {
      project        = "lethe-test"
      project_number = "123456789012"
      region         = "europe-west1"
      source_bucket  = "source"
      dist           = "dist"
      builder        = "builder"
      repository     = "repository"
      behind_network = true
      invokers       = []
      databases      = { edge = "edge" }
      environment    = {}
    }
    topics    = {}
    endpoints = { api = { entry_point = "API" } }
    databases = { edge = "roles/datastore.owner" }
  }
  expect_failures = [var.endpoints, var.databases]
}
