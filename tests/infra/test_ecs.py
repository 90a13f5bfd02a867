"""The template for Fargate: it is valid, and its roles may do what they need and no more."""

import shutil
import subprocess

import pytest


def statements(stack):
    """Every statement that gives a right, by the resource it stands in."""
    for name, resource in stack["Resources"].items():
        properties = resource["Properties"]
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        if resource["Type"] == "AWS::IAM::Policy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            yield from ((name, statement) for statement in document["Statement"])


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture
def rights(stack):
    return list(statements(stack))


@pytest.fixture
def container(stack):
    (only,) = stack["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    return only


def test_no_right_is_given_on_everything(rights):
    assert len(rights) == 6
    everything = [
        (name, statement["Action"]) for name, statement in rights if "*" in listed(statement["Resource"])
    ]
    # For this one action IAM knows no resource; it is given only where the image is in ECR.
    assert everything == [("PullFromEcr", "ecr:GetAuthorizationToken")]
    actions = [action for _, statement in rights for action in listed(statement["Action"])]
    assert actions
    assert not [action for action in actions if "*" in action]
    assert all(statement["Effect"] == "Allow" for _, statement in rights)


def test_nobody_brings_rights_along(stack):
    roles = [item["Properties"] for item in stack["Resources"].values() if item["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 2
    assert not [role for role in roles if "ManagedPolicyArns" in role]
    for role in roles:
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert stack["Resources"]["PullFromEcr"]["Condition"] == "FromEcr"


def test_a_worker_has_one_prefix_of_one_bucket(rights):
    own = [statement for name, statement in rights if name == "TaskRole"]
    bucket, objects = own
    assert bucket["Resource"] == {"Sub": "arn:${AWS::Partition}:s3:::${StoreBucket}"}
    assert bucket["Condition"] == {
        "StringLike": {"s3:prefix": [{"Ref": "StorePrefix"}, {"Sub": "${StorePrefix}/*"}]}
    }
    assert objects["Resource"] == {"Sub": "arn:${AWS::Partition}:s3:::${StoreBucket}/${StorePrefix}/*"}
    assert {action.partition(":")[0] for each in own for action in listed(each["Action"])} == {"s3"}


def test_secrets_come_from_where_they_are_kept(container, rights):
    assert {item["Name"] for item in container["Secrets"]} == {"PREFECT_API_AUTH_STRING", "XTENDFLOW_LEDGER"}
    (read,) = (each for _, each in rights if each["Action"] == "secretsmanager:GetSecretValue")
    assert [item["ValueFrom"] for item in container["Secrets"]] == read["Resource"]
    assert not {item["Name"] for item in container["Environment"]} & {
        "AWS_SECRET_ACCESS_KEY",
        "XTENDFLOW_LEDGER",
    }


def test_the_container_has_no_rights_and_is_watched(container):
    assert container["User"] == "10001:10001"
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
    assert container["HealthCheck"]["Command"][0] == "CMD"
    mounted = {mount["ContainerPath"] for mount in container["MountPoints"]}
    assert mounted == {"/var/lib/xtendflow", "/tmp"}


def test_nobody_reaches_a_worker(stack):
    assert "SecurityGroupIngress" not in stack["Resources"]["Closed"]["Properties"]


def test_it_has_no_aliases_which_cloudformation_does_not_know(texts):
    lines = texts["ecs/worker.yaml"].splitlines()
    assert not [line for line in lines if line.lstrip().startswith("<<:") or ": &" in line or ": *" in line]


def test_the_linter_finds_nothing(infra):
    linter = shutil.which("cfn-lint")
    if linter is None:
        pytest.skip("cfn-lint is not installed")
    done = subprocess.run(
        [linter, "--include-checks", "I", "W", "--template", infra / "ecs" / "worker.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
