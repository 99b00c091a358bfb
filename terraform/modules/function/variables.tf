variable "name" {
  description = "The folder under functions/."
  type        = string
}

variable "setup" {
  description = "What all functions share."
  type = object({
    project        = string
    project_number = string
    region         = string
    source_bucket  = string
    dist           = string
    builder        = string
    repository     = string
    behind_network = bool
    invokers       = set(string)
    topic_key      = optional(string)
    databases      = map(string)
    environment    = map(string)
  })
}

variable "endpoints" {
  description = "The entry points: one function each, from one archive and with one service account. One with a topic is pushed to, one with paths is called."
  type = map(object({
    entry_point = string
    paths       = optional(list(string), [])
    topic       = optional(string)
    memory      = optional(string, "512Mi")
    cpu         = optional(string, "1")
    concurrency = optional(number, 16)
    instances   = optional(number, 20)
    warm        = optional(number, 0)
    timeout     = optional(number, 60)
  }))
  validation {
    condition     = alltrue([for e in values(var.endpoints) : (e.topic == null) != (length(e.paths) == 0)])
    error_message = "An endpoint has either paths or a topic."
  }
}

variable "public" {
  description = "Whether anybody may call it where there is no load balancer in front."
  type        = bool
  default     = false
}

variable "environment" {
  description = "Its own environment variables."
  type        = map(string)
  default     = {}
}

variable "secret_files" {
  description = "Environment variable → secret that it names the file of."
  type        = map(string)
  default     = {}
}

variable "secret_variables" {
  description = "Environment variable → secret that is its value."
  type        = map(string)
  default     = {}
}

variable "topics" {
  description = "Every topic: name → id."
  type        = map(string)
}

variable "publishes" {
  description = "Topics that it publishes to, beside the dead letters of its own."
  type        = set(string)
  default     = []
}

variable "databases" {
  description = "Database → role: roles/datastore.viewer or roles/datastore.user."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for r in values(var.databases) : contains(["roles/datastore.viewer", "roles/datastore.user"], r)])
    error_message = "Must be roles/datastore.viewer or roles/datastore.user."
  }
}

variable "audits" {
  description = "Whether it writes the access log, and so to Cloud Logging itself."
  type        = bool
  default     = false
}
