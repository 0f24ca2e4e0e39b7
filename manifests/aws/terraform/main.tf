# precision-packer on an EKS cluster with Karpenter: IAM role, Pod Identity, and both charts. Pod Identity needs the add-on
# eks-pod-identity-agent on the cluster.
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

variable "spot_prediction_queue" {
  type        = bool
  default     = false
  description = "Whether EC2's interruption notices go to a queue that spot interruption prediction reads."
}

# Names of roles end at 64 characters, and those of clusters at 100.
locals {
  name = length(var.cluster_name) <= 40 ? var.cluster_name : "${substr(var.cluster_name, 0, 31)}-${substr(sha256(var.cluster_name), 0, 8)}"
}

# What kentroller reads; it starts nothing by itself, Karpenter does.
resource "aws_iam_policy" "kentroller" {
  name   = "${local.name}-precision-packer"
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
  name               = "${local.name}-precision-packer"
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

# A queue of precision-packer's own for EC2's notices, beside Karpenter's: a queue has one reader.
module "spot_prediction" {
  count = var.spot_prediction_queue ? 1 : 0

  source       = "./.."
  cluster_name = var.cluster_name
}

resource "aws_iam_role_policy_attachment" "spot_prediction" {
  count = var.spot_prediction_queue ? 1 : 0

  role       = aws_iam_role.kentroller.name
  policy_arn = module.spot_prediction[0].read_policy_arn
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

  values = [yamlencode({
    castai-kentroller = {
      settings = var.spot_prediction_queue ? {
        SPOT_INTERRUPTION_PREDICTION_QUEUE_URL = module.spot_prediction[0].queue_url
      } : {}
    }
  })]

  depends_on = [helm_release.crds, aws_eks_pod_identity_association.kentroller]
}
