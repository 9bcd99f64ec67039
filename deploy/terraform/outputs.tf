output "url" {
  description = "Where clients find the proxy; with a certificate, under its name."
  value       = "${local.has_certificate ? "https" : "http"}://${aws_lb.this.dns_name}"
}

output "task_security_group_id" {
  description = "For the registry's own security group to let in."
  value       = aws_security_group.task.id
}

output "registry_service_arn" {
  description = "For service_registries of the registry's ECS service."
  value       = one(aws_service_discovery_service.registry[*].arn)
}

output "doctor_command" {
  description = "A diagnosis from where the tasks run; its report goes to the log group."
  value       = "aws ecs run-task --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE --task-definition ${aws_ecs_task_definition.doctor.arn} --network-configuration 'awsvpcConfiguration={subnets=[${var.subnet_ids[0]}],securityGroups=[${aws_security_group.task.id}]}'"
}
