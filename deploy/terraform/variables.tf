variable "name" {
  description = "Prefix of what is made; also the registry's namespace where none is given."
  type        = string

  validation {
    # With what is put behind it, a role's name prefix may have 38 characters.
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,26}$", var.name))
    error_message = "Up to 27 letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  description = "The VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks; private ones, in two availability zones."
  type        = list(string)
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two availability zones."
  type        = list(string)
}

variable "image" {
  description = "The image that deploy/image/Dockerfile builds, in a repository that the tasks can reach."
  type        = string
}

variable "internal" {
  description = "Whether the load balancer is internal."
  type        = bool
  default     = true
}

variable "client_cidr" {
  description = "Where clients come from."
  type        = string
  default     = "10.0.0.0/8"
}

variable "certificate_arn" {
  description = "An ACM certificate, for HTTPS on port 443. Without one, HTTP on port 80."
  type        = string
  default     = ""
}

variable "custom_dns_servers" {
  description = "DNS servers to ask in place of the VPC's DHCP options, in this order. They travel in the container's environment, since ECS refuses dnsServers in awsvpc mode."
  type        = list(string)
  default     = []
}

variable "registry_host" {
  description = "The registry's name in its Cloud Map namespace."
  type        = string
  default     = "registry"
}

variable "registry_namespace" {
  description = "The registry's Cloud Map namespace; empty means var.name."
  type        = string
  default     = ""
}

variable "registry_port" {
  description = "The registry's port."
  type        = number
  default     = 80
}

variable "create_registry_namespace" {
  description = "Whether the namespace and the registry's service in it are made here."
  type        = bool
  default     = false
}

variable "cpu_architecture" {
  description = "What the image was built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "container_port" {
  description = "Above 1023, for the container's user has no rights."
  type        = number
  default     = 8080

  validation {
    condition     = var.container_port >= 1024 && var.container_port <= 65535
    error_message = "From 1024 to 65535."
  }
}

variable "cpu" {
  description = "CPU units of a task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of a task."
  type        = number
  default     = 1024
}

variable "min_count" {
  description = "The least number of tasks."
  type        = number
  default     = 2
}

variable "max_count" {
  description = "The most tasks."
  type        = number
  default     = 10
}

variable "target_cpu_percent" {
  description = "CPU use beyond which tasks are added."
  type        = number
  default     = 60
}

variable "target_requests_per_task" {
  description = "Requests a minute and task beyond which tasks are added."
  type        = number
  default     = 30000
}

variable "drain_seconds" {
  description = "How long downloads may go on, in seconds, when their task is to be replaced. A replacement takes as long."
  type        = number
  default     = 300

  validation {
    condition     = var.drain_seconds >= 0 && var.drain_seconds <= 3600
    error_message = "From 0 to 3600."
  }
}

variable "allow_buckets" {
  description = "The only buckets that are served (globs). Empty means all."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 90
}

variable "error_rate_alarm" {
  description = "Responses 5xx in five minutes that raise an alarm."
  type        = number
  default     = 50
}

variable "alarm_topic_arn" {
  description = "The SNS topic that alarms go to."
  type        = string
  default     = ""
}

variable "create_vpc_endpoints" {
  description = "Whether to make the endpoints that a task without a way to the internet needs (S3 gateway; ECR and logs, interface)."
  type        = bool
  default     = false
}

variable "route_table_ids" {
  description = "Route tables of subnet_ids, for the S3 gateway endpoint."
  type        = list(string)
  default     = []
}
