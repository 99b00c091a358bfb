# Tells customers of incidents, by e-mail and webhook.
module "incident" {
  source = "./modules/function"

  name      = "incident"
  setup     = local.setup
  topics    = local.topics
  publishes = ["incidents", "webhooks"]
  databases = { "(default)" = "roles/datastore.user" }
  audits    = true
  environment = merge(local.staff, {
    LETHE_PUBLIC_URL    = local.public_url
    LETHE_SMTP_HOST     = var.mail.host
    LETHE_SMTP_PORT     = tostring(var.mail.port)
    LETHE_SMTP_USER     = var.mail.user
    LETHE_MAIL_FROM     = var.mail.from
    LETHE_SECURITY_MAIL = var.mail.security
  })
  secret_variables = {
    LETHE_SMTP_PASSWORD = google_secret_manager_secret.secrets["smtp-password"].secret_id
  }

  endpoints = {
    incident = {
      entry_point = "Incident"
      paths       = ["/v1/incidents", "/v1/incidents/*", "/v1/webhooks", "/v1/webhooks/*", "/v1/project/contacts"]
      timeout     = 70
    }
    incident-worker = { entry_point = "IncidentWorker", topic = "incidents" }
    webhook-worker  = { entry_point = "WebhookWorker", topic = "webhooks" }
  }
}
