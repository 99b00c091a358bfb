# What scripts/deploy wants to know; variables.tf has the rest.
domain = "lethe.example.com"
mail   = { host = "smtp.example.com", user = "lethe", from = "lethe@example.com", security = "security@example.com" }
staff  = { audience = "0000-example.apps.googleusercontent.com", domain = "example.com", root = "privacy-officer@example.com" }

alert_emails = ["oncall@example.com"]

# Optional:
cmek   = true
budget = { billing_account = "000000-000000-000000", currency = "EUR", amount = 500 }
