output "url" {
  description = "Where the API is reached, once the domain points to the address."
  value       = local.public_url
}

output "address" {
  description = "Address of the load balancer, for the domain's A record; null without one."
  value       = one(google_compute_global_address.address[*].address)
}

output "certificate" {
  description = "Name of the domain's certificate; null without a load balancer."
  value       = one(google_compute_managed_ssl_certificate.certificate[*].name)
}

output "ingest_url" {
  description = "Where ingest is reached: of the load balancer, or of the function itself."
  value       = var.network ? local.public_url : local.functions["ingest"].uri
}

output "report_url" {
  description = "Where report is reached: of the load balancer, or of the function itself."
  value       = var.network ? local.public_url : local.functions["report"].uri
}

output "functions" {
  description = "The functions: name → address, ingress, environment, whether anybody may call it."
  value       = local.functions
}

output "service_accounts" {
  description = "Folder of functions/ → e-mail address of its service account."
  value       = { for k, m in local.modules : k => m.service_account }
}

output "account_ids" {
  description = "Folder of functions/ → id of its service account."
  value       = { for k, m in local.modules : k => m.account_id }
}

output "rights" {
  description = "What each service account may do, as \"role on what\"."
  value       = local.rights
}

output "topics" {
  description = "Topics and their dead letters: name → id."
  value       = local.topics
}

output "dead_letters" {
  description = "Subscriptions of dead letters: topic → name."
  value       = local.dead_letters
}

output "bucket" {
  description = "The bucket of archives."
  value       = google_storage_bucket.exports.name
}

output "access_log_bucket" {
  description = "The bucket of the sealed access log."
  value       = google_storage_bucket.access_log.name
}

output "receipt_key" {
  description = "The version of the key that signs receipts."
  value       = local.receipt_key
}
