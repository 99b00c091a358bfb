# Answers reports. It writes to the database because every answer is in the access log
# before it leaves.
module "report" {
  source = "./modules/function"

  name        = "report"
  setup       = local.setup
  topics      = local.topics
  databases   = { "(default)" = "roles/datastore.user" }
  audits      = true
  environment = local.staff

  endpoints = {
    report = { entry_point = "Report", paths = ["/v1/reports/*", "/api/query/*", "/api/2.0/export"], memory = "2Gi", concurrency = 8, timeout = 310 }
  }
}
