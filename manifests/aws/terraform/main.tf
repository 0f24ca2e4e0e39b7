# precision-packer on an EKS cluster with Karpenter: IAM role, Pod Identity, and both charts.
# Push image and charts first: make push REGISTRY=…

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
    helm = {
      source  = "hashicorp/helm"
      version = ">= 3.0"
    }
  }
}

variable "cluster_name" {
  type = string
}

variable "registry" {
  type        = string
  description = "Where make push put image and charts, such as registry.example.com/platform."
}

variable "chart_version" {
  type = string
}

variable "namespace" {
  type    = string
  default = "castai-agent"
}

# What kentroller reads; it starts nothing by itself, Karpenter does.
resource "aws_iam_policy" "kentroller" {
  name   = "${var.cluster_name}-precision-packer"
  policy = file("${path.module}/../iam-policy.json")
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "kentroller" {
  name               = "${var.cluster_name}-precision-packer"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "kentroller" {
  role       = aws_iam_role.kentroller.name
  policy_arn = aws_iam_policy.kentroller.arn
}

resource "aws_eks_pod_identity_association" "kentroller" {
  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = "castai-kentroller"
  role_arn        = aws_iam_role.kentroller.arn
}

# Karpenter's queue for spot interruptions; set settings.interruptionQueue of Karpenter's chart to its name. Plans heed what
# Karpenter learns from it. Leave this out where Karpenter has one.
resource "aws_sqs_queue" "interruption" {
  name                      = var.cluster_name
  message_retention_seconds = 300
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "interruption" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.interruption.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com", "sqs.amazonaws.com"]
    }
  }
}

resource "aws_sqs_queue_policy" "interruption" {
  queue_url = aws_sqs_queue.interruption.url
  policy    = data.aws_iam_policy_document.interruption.json
}

resource "aws_cloudwatch_event_rule" "interruption" {
  for_each = {
    spot      = { source = "aws.ec2", type = "EC2 Spot Instance Interruption Warning" }
    rebalance = { source = "aws.ec2", type = "EC2 Instance Rebalance Recommendation" }
    state     = { source = "aws.ec2", type = "EC2 Instance State-change Notification" }
    health    = { source = "aws.health", type = "AWS Health Event" }
  }

  name = "${var.cluster_name}-${each.key}"
  event_pattern = jsonencode({
    source        = [each.value.source]
    "detail-type" = [each.value.type]
  })
}

resource "aws_cloudwatch_event_target" "interruption" {
  for_each = aws_cloudwatch_event_rule.interruption

  rule = each.value.name
  arn  = aws_sqs_queue.interruption.arn
}

resource "helm_release" "crds" {
  name             = "precision-packer-crds"
  namespace        = var.namespace
  create_namespace = true
  repository       = "oci://${var.registry}/charts"
  chart            = "precision-packer-crds"
  version          = var.chart_version
}

resource "helm_release" "precision_packer" {
  name       = "precision-packer"
  namespace  = var.namespace
  repository = "oci://${var.registry}/charts"
  chart      = "precision-packer"
  version    = var.chart_version

  depends_on = [helm_release.crds, aws_eks_pod_identity_association.kentroller]
}
