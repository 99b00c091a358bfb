output "service_account" {
  description = "E-mail address of the service account."
  value       = google_service_account.function.email
}

output "account_id" {
  description = "Id of the service account."
  value       = google_service_account.function.account_id
}

output "topics" {
  description = "Topics and their dead letters: name → id."
  value       = { for t in concat(values(google_pubsub_topic.topics), values(google_pubsub_topic.dead)) : t.name => t.id }
}

output "dead_letters" {
  description = "Subscriptions of dead letters: topic → name."
  value       = { for k, s in google_pubsub_subscription.dead : k => s.name }
}

output "subscriptions" {
  description = "Push subscriptions: function → name."
  value       = { for k, s in google_pubsub_subscription.push : k => s.name }
}

output "functions" {
  description = "The functions by name."
  value = { for k, f in google_cloudfunctions2_function.functions : k => {
    name    = f.name
    uri     = f.service_config[0].uri
    ingress = f.service_config[0].ingress_settings
    paths   = var.endpoints[k].paths
    worker  = var.endpoints[k].topic != null
    public  = contains(keys(google_cloud_run_v2_service_iam_member.public), k)

    environment = f.service_config[0].environment_variables
  } }
}

output "grants" {
  description = "What the module grants to the service account, as \"role on what\"."
  value = toset(concat(
    [for k, g in google_pubsub_topic_iam_member.publishes : "${g.role} on topic ${k}"],
    [for k, g in google_project_iam_member.databases : "${g.role} on database ${k}" if length(g.condition) == 1],
    [for k, g in google_project_iam_member.databases : "${g.role} on every database" if length(g.condition) == 0],
    [for k, g in google_project_iam_member.logs : "${g.role} on project"],
    [for k, g in google_secret_manager_secret_iam_member.reads : "${g.role} on secret ${k}"],
    [for k, g in google_cloud_run_v2_service_iam_member.push : "${g.role} on function ${k}"],
  ))
}
