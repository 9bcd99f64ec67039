# The registry's name, roles, logs, tasks, and as many of them as there is work for.

data "aws_region" "this" {}
data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}

locals {
  has_certificate = var.certificate_arn != ""
  listener_port   = local.has_certificate ? 443 : 80
  namespace       = var.registry_namespace != "" ? var.registry_namespace : var.name
  registry_port   = var.registry_port != 80 ? ":${var.registry_port}" : ""
  alarm_actions   = var.alarm_topic_arn != "" ? [var.alarm_topic_arn] : []

  # What is not given is left out, so that penstock's own defaults hold.
  environment = [for name, value in {
    INTERNAL_REGISTRY_URL = "http://${var.registry_host}.${local.namespace}${local.registry_port}"
    PENSTOCK_LISTEN       = ":${var.container_port}"
    # One for each whole CPU. ECS gives the quota to the task: its container sees all CPUs of the machine, and no quota.
    PENSTOCK_WORKERS       = tostring(ceil(var.cpu / 1024))
    PENSTOCK_DNS_SERVERS   = join(",", var.custom_dns_servers)
    PENSTOCK_ALLOW_BUCKETS = join(",", var.allow_buckets)
  } : { name = name, value = value } if value != ""]

  container = {
    image                  = var.image
    essential              = true
    readonlyRootFilesystem = true
    user                   = "65532:65532"
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    environment            = local.environment
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.this.region
        awslogs-stream-prefix = "penstock"
        mode                  = "non-blocking"
        max-buffer-size       = "8m"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/penstock/${var.name}"
  retention_in_days = var.log_retention_days
  # Kept when all else goes.
  skip_destroy = true
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.create_registry_namespace ? 1 : 0
  name  = local.namespace
  vpc   = var.vpc_id
}

resource "aws_service_discovery_service" "registry" {
  count = var.create_registry_namespace ? 1 : 0
  name  = var.registry_host

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this[0].id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  health_check_custom_config {
    failure_threshold = 1
  }
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# The proxy passes its clients' signatures on and has no rights of its own.
resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-task-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role" "doctor" {
  name_prefix        = "${var.name}-doctor-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

data "aws_iam_policy_document" "doctor" {
  statement {
    sid       = "Describe"
    resources = ["*"]
    actions = [
      "ec2:DescribeDhcpOptions",
      "ec2:DescribeManagedPrefixLists",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcAttribute",
      "ec2:DescribeVpcEndpoints",
      "ec2:DescribeVpcs",
      "ecs:DescribeClusters",
      "ecs:DescribeServices",
      "ecs:DescribeTaskDefinition",
      "ecs:DescribeTasks",
      "ecs:ListClusters",
      "ecs:ListServices",
      "ecs:ListTasks",
      "logs:DescribeLogGroups",
      "route53:GetHostedZone",
      "route53:ListHostedZonesByVPC",
      "route53:ListResourceRecordSets",
      "route53resolver:GetFirewallConfig",
      "route53resolver:ListFirewallConfigs",
      "route53resolver:ListFirewallDomains",
      "route53resolver:ListFirewallRuleGroupAssociations",
      "route53resolver:ListFirewallRules",
      "route53resolver:ListResolverEndpointIpAddresses",
      "route53resolver:ListResolverEndpoints",
      "route53resolver:ListResolverRuleAssociations",
      "route53resolver:ListResolverRules",
      "servicediscovery:DiscoverInstances",
      "servicediscovery:GetInstancesHealthStatus",
      "servicediscovery:GetNamespace",
      "servicediscovery:GetService",
      "servicediscovery:ListInstances",
      "servicediscovery:ListNamespaces",
      "servicediscovery:ListServices",
      "sts:GetCallerIdentity",
    ]
  }

  statement {
    sid       = "ReadItsLog"
    resources = [aws_cloudwatch_log_group.this.arn, "${aws_cloudwatch_log_group.this.arn}:*"]
    actions   = ["logs:FilterLogEvents"]
  }
}

resource "aws_iam_role_policy" "doctor" {
  name   = "read-what-the-doctor-judges"
  role   = aws_iam_role.doctor.id
  policy = data.aws_iam_policy_document.doctor.json
}

resource "aws_ecs_cluster" "this" {
  # Not the bare name: ECS takes a cluster of that name that is there already for this one.
  name = "${var.name}-penstock"

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name}-penstock"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([merge(local.container, {
    name         = "penstock"
    portMappings = [{ containerPort = var.container_port, protocol = "tcp" }]
    ulimits      = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    # Its own answer, also while DNS or S3 is down. The image's HEALTHCHECK is nothing to ECS.
    healthCheck = {
      command     = ["CMD", "/usr/bin/penstock", "healthcheck"]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 10
    }
    # The most that Fargate gives, and longer than PENSTOCK_DRAIN_TIMEOUT_MS (110 s). ECS stops a task only when the load
    # balancer has let go of it, after drain_seconds.
    stopTimeout = 120
  })])

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

# One run with the tasks' network: `aws ecs run-task`, as the output doctor_command has it.
resource "aws_ecs_task_definition" "doctor" {
  family                   = "${var.name}-penstock-doctor"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.doctor.arn

  container_definitions = jsonencode([merge(local.container, {
    name    = "doctor"
    command = ["doctor", "--region", data.aws_region.this.region, "--vpc", var.vpc_id]
  })])

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

resource "aws_ecs_service" "this" {
  name                               = "penstock"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  desired_count                      = var.min_count
  health_check_grace_period_seconds  = 30
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = false
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.task.id]
  }

  load_balancer {
    container_name   = "penstock"
    container_port   = var.container_port
    target_group_arn = aws_lb_target_group.this.arn
  }

  # The autoscaler's.
  lifecycle {
    ignore_changes = [desired_count]
  }

  # What the first tasks need to come up; without it the circuit breaker would give them up.
  depends_on = [
    aws_iam_role_policy_attachment.execution,
    aws_lb_listener.this,
    aws_vpc_endpoint.interface,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.out,
    aws_vpc_security_group_egress_rule.to_tasks,
    aws_vpc_security_group_ingress_rule.endpoints,
    aws_vpc_security_group_ingress_rule.from_load_balancer,
  ]
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.min_count
  max_capacity       = var.max_count
}

resource "aws_appautoscaling_policy" "this" {
  for_each = {
    cpu      = { metric = "ECSServiceAverageCPUUtilization", target = var.target_cpu_percent, label = null }
    requests = { metric = "ALBRequestCountPerTarget", target = var.target_requests_per_task, label = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}" }
  }
  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "self_check" {
  name           = "${var.name}-self-check"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = "{ $.event = \"self_check\" && $.severity = \"error\" }"

  metric_transformation {
    namespace = "penstock/${var.name}"
    name      = "SelfCheckErrors"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "load_balancer" {
  for_each = {
    errors = {
      description = "penstock answers 5xx; its log says which stage failed and which DNS server said what."
      metric      = "HTTPCode_Target_5XX_Count"
      statistic   = "Sum"
      period      = 300
      periods     = 1
      threshold   = var.error_rate_alarm
      comparison  = "GreaterThanOrEqualToThreshold"
      missing     = "notBreaching"
      of_target   = true
    }
    unhealthy = {
      description = "A task of penstock does not answer the load balancer."
      metric      = "UnHealthyHostCount"
      statistic   = "Maximum"
      period      = 60
      periods     = 5
      threshold   = 1
      comparison  = "GreaterThanOrEqualToThreshold"
      missing     = "notBreaching"
      of_target   = true
    }
    # Also where there is no task at all: then nothing is unhealthy, and the metric is missing.
    absent = {
      description = "No task of penstock answers the load balancer."
      metric      = "HealthyHostCount"
      statistic   = "Maximum"
      period      = 60
      periods     = 3
      threshold   = 1
      comparison  = "LessThanThreshold"
      missing     = "breaching"
      of_target   = true
    }
    # Of these the log of the tasks may have nothing.
    balancer_errors = {
      description = "The load balancer answers 5xx by itself, as no task takes the request or one breaks off."
      metric      = "HTTPCode_ELB_5XX_Count"
      statistic   = "Sum"
      period      = 300
      periods     = 1
      threshold   = var.error_rate_alarm
      comparison  = "GreaterThanOrEqualToThreshold"
      missing     = "notBreaching"
      of_target   = false
    }
  }
  alarm_name          = "${var.name}-penstock-${replace(each.key, "_", "-")}"
  alarm_description   = each.value.description
  namespace           = "AWS/ApplicationELB"
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  dimensions = merge(
    { LoadBalancer = aws_lb.this.arn_suffix },
    each.value.of_target ? { TargetGroup = aws_lb_target_group.this.arn_suffix } : {}
  )
}

resource "aws_cloudwatch_metric_alarm" "self_check" {
  alarm_name          = "${var.name}-penstock-self-check"
  alarm_description   = "penstock's self-check found the network broken; the log has the finding and its fix."
  namespace           = "penstock/${var.name}"
  metric_name         = "SelfCheckErrors"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}
