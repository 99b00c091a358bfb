# Takes requests by OpenDSR and OpenGDPR, and calls back with a signature.
module "opendsr" {
  source = "./modules/function"

  name      = "opendsr"
  setup     = local.setup
  topics    = local.topics
  publishes = ["exports", "deletions", "callbacks"]
  databases = { "(default)" = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_PUBLIC_URL     = local.public_url
    LETHE_OPENDSR_DOMAIN = coalesce(var.opendsr_domain, var.domain)
  })
  secret_files = {
    LETHE_OPENDSR_KEY_FILE  = google_secret_manager_secret.secrets["opendsr-key"].secret_id
    LETHE_OPENDSR_CERT_FILE = google_secret_manager_secret.secrets["opendsr-cert"].secret_id
  }

  endpoints = {
    opendsr = {
      entry_point = "OpenDSR"
      paths       = ["/discovery", "/cert.pem", "/requests", "/requests/*", "/opengdpr_requests", "/opengdpr_requests/*"]
      timeout     = 70
    }
    opendsr-worker = { entry_point = "OpenDSRWorker", topic = "callbacks" }
  }
}
