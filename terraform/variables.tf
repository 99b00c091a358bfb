variable "firestore_location" {
  description = "Location of both databases: a region, or a multi-region. The default keeps data in the EU."
  type        = string
  default     = "eur3"
  validation {
    condition     = can(regex("^(eur3|nam5|nam7|[a-z]+-[a-z]+[0-9]+)$", var.firestore_location))
    error_message = "Must be eur3, nam5, nam7 or a region such as europe-west1."
  }
}

variable "project" {
  description = "Google Cloud project to put Lethe into."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Must be a project id: 6 to 30 of a-z, 0-9 and -."
  }
}
