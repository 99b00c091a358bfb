# The pages that browsers see: whatever path no other function has. It calls the API as any
# caller does, and has no right to anything.
module "dashboard" {
  source = "./modules/function"

  name   = "dashboard"
  setup  = local.setup
  topics = local.topics
  environment = {
    LETHE_API_URL        = local.public_url
    LETHE_PUBLIC_URL     = local.public_url
    LETHE_STAFF_AUDIENCE = var.staff.audience
  }
  secret_variables = {
    LETHE_STAFF_CLIENT_SECRET = google_secret_manager_secret.secrets["staff-client"].secret_id
  }

  endpoints = {
    dashboard = { entry_point = "Dashboard", paths = ["/*"], timeout = 310 }
  }
}
