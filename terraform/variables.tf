variable "project" {
  description = "Google Cloud project to put Lethe into."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Must be a project id: 6 to 30 of a-z, 0-9 and -."
  }
}

variable "region" {
  description = "Region of the functions, the topics, the logs and the secrets. The default keeps data in the EU."
  type        = string
  default     = "europe-west1"
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Must be a region such as europe-west1."
  }
}

variable "firestore_location" {
  description = "Location of both databases: a region, or a multi-region. The default keeps data in the EU. It can't be changed later."
  type        = string
  default     = "eur3"
  validation {
    condition     = can(regex("^(eur3|nam5|nam7|[a-z]+-[a-z]+[0-9]+)$", var.firestore_location))
    error_message = "Must be eur3, nam5, nam7 or a region such as europe-west1."
  }
}

variable "bucket_location" {
  description = "Location of the buckets: a region, or a multi-region. The default keeps data in the EU."
  type        = string
  default     = "EU"
  validation {
    condition     = can(regex("^(EU|US|EUR4|[a-zA-Z]+-[a-zA-Z]+[0-9]+)$", var.bucket_location))
    error_message = "Must be EU, US, EUR4 or a region such as europe-west1."
  }
}

variable "domain" {
  description = "Domain name at which the API is reached: of the load balancer's certificate, and the issuer of receipts."
  type        = string
  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain)) && length(var.domain) <= 253
    error_message = "Must be a domain name in lower case, such as api.example.com."
  }
}

variable "network" {
  description = "Whether to make the load balancer with its certificate and Cloud Armor. Without it ingest is public and the rest is for var.invokers."
  type        = bool
  default     = true
}

variable "invokers" {
  description = "Who may call the APIs where there is no load balancer: a proxy's service account, a group."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", m))])
    error_message = "Each must be user:…, group:… or serviceAccount:…; allUsers is not for this list."
  }
}

variable "api_rate" {
  description = "Requests a minute of one address to the API before Cloud Armor answers 429; with a session, as the dashboard asks, ten times as many."
  type        = number
  default     = 600
  validation {
    condition     = var.api_rate >= 10 && var.api_rate <= 100000
    error_message = "Must be from 10 to 100000."
  }
}

variable "intake_rate" {
  description = "Requests a minute of one address to ingest before Cloud Armor answers 429. Offices share an address, and so do server-side SDKs."
  type        = number
  default     = 6000
  validation {
    condition     = var.intake_rate >= 10 && var.intake_rate <= 1000000
    error_message = "Must be from 10 to 1000000."
  }
}

variable "backup_days" {
  description = "How long a backup of the databases is kept. Receipts of erasures say that the last trace is gone after it."
  type        = number
  default     = 30
  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 98 && floor(var.backup_days) == var.backup_days
    error_message = "Must be from 7, which point-in-time recovery keeps anyway, to 98, the most that Firestore allows."
  }
}

variable "access_log_days" {
  description = "How long the access log is kept in Cloud Logging. Locked: it can be made longer and never shorter."
  type        = number
  default     = 400
  validation {
    condition     = var.access_log_days >= 30 && var.access_log_days <= 3650 && floor(var.access_log_days) == var.access_log_days
    error_message = "Must be from 30 to 3650 days."
  }
}

variable "access_log_keys_earlier" {
  description = "Verifier keys of the keys that signed the access log's checkpoints before the one in the secret access-log-key."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for k in var.access_log_keys_earlier : can(regex("^lethe-access-log[+][0-9a-f]{8}[+][A-Za-z0-9+/=]+$", k))])
    error_message = "Each must be a verifier key, as GET /v1/access-log/checkpoint tells it: lethe-access-log+…"
  }
}

variable "lock" {
  description = "Whether the retention of the access log is locked for good. Turn it off only where nobody's data is: a locked bucket outlives its project's deletion."
  type        = bool
  default     = true
}

variable "protect" {
  description = "Whether databases and buckets that hold data refuse to be deleted. To destroy all of it, apply with false first."
  type        = bool
  default     = true
}

variable "cmek" {
  description = "Whether databases, buckets and topics are encrypted with keys of your own (Cloud KMS)."
  type        = bool
  default     = false
}

variable "opendsr_domain" {
  description = "Domain that OpenDSR's certificate is made out to; null: var.domain."
  type        = string
  default     = null
  validation {
    condition     = var.opendsr_domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.opendsr_domain))
    error_message = "Must be a domain name in lower case, such as privacy.example.com, or null."
  }
}

variable "staff" {
  description = "Who of the processor's own people is let in: the OAuth client id that ID tokens are made out to, the Workspace domain, the first privacy officer. Without an audience nobody is."
  type = object({
    audience = optional(string, "")
    domain   = optional(string, "")
    root     = optional(string, "")
  })
  default = {}
  validation {
    condition     = var.staff.root == "" || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.staff.root))
    error_message = "staff.root must be the e-mail address of the first privacy officer."
  }
}

variable "mail" {
  description = "How incidents are told by e-mail: the SMTP server (the password is the secret smtp-password), the sender, and the processor's own people."
  type = object({
    host     = string
    port     = optional(number, 587)
    user     = string
    from     = string
    security = string
  })
  validation {
    condition     = alltrue([for a in [var.mail.from, var.mail.security] : can(regex("^[^@ ]+@[^@ ]+$", a))])
    error_message = "mail.from and mail.security must be e-mail addresses."
  }
  validation {
    condition     = var.mail.port >= 1 && var.mail.port <= 65535 && floor(var.mail.port) == var.mail.port && var.mail.port != 25
    error_message = "mail.port must be from 1 to 65535, and not 25, by which Google Cloud lets nothing out."
  }
}

variable "alert_emails" {
  description = "Who is told of alerts, by e-mail. With none, alerts stand in Cloud Monitoring only."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", a))])
    error_message = "Each must be an e-mail address."
  }
}

variable "request_days" {
  description = "Within how many days a data-subject request should be done. The law gives a month."
  type        = number
  default     = 3
  validation {
    condition     = var.request_days >= 1 && var.request_days <= 25 && floor(var.request_days) == var.request_days
    error_message = "Must be a whole number of 1 to 25: over 25 days there is an alert."
  }
}

variable "playbooks_url" {
  description = "Where terraform/playbooks can be read."
  type        = string
  default     = "https://github.com/lethe-analytics/lethe/blob/main/terraform/playbooks"
  validation {
    condition     = can(regex("^https://[^\\s]+[^/]$", var.playbooks_url))
    error_message = "Must begin with https:// and not end in a slash."
  }
}

variable "refused_limit" {
  description = "Above how many answers 401 in five minutes somebody may be trying keys."
  type        = number
  default     = 100
  validation {
    condition     = var.refused_limit > 0
    error_message = "Must be above 0."
  }
}

variable "audit_functions" {
  description = "Whether the functions' own reads and writes are in the audit logs too. Each is a log entry, which costs about as much as the read; the customer data that they give out is in the access log anyway."
  type        = bool
  default     = false
}

variable "dist" {
  description = "Folder of the archives that scripts/package made."
  type        = string
  default     = "../dist"
}

variable "budget" {
  description = "A budget that warns at 50, 90 and 100 %, a month; null: none."
  type = object({
    billing_account = string
    currency        = string
    amount          = number
  })
  default = null
}
