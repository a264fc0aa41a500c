"""STS and IAM: what a script asks before it creates an import job, and that answers outlive a restart."""
import json

import pytest
from harness import ACCOUNT, refused, unique

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "personalize.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]}
MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonPersonalizeFullAccess"


@pytest.fixture(scope="module")
def iam(server):
    return server.client("iam")


def test_who_am_i(server):
    me = server.client("sts").get_caller_identity()
    assert me["Account"] == ACCOUNT and me["UserId"] == server.keys["AWS_ACCESS_KEY_ID"]
    assert me["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{me['UserId']}"


def test_wrong_keys(server):
    with refused("SignatureDoesNotMatch", status=403):
        server.client("sts", secret="x" * 40).get_caller_identity()
    with refused("InvalidClientTokenId", status=403):
        server.client("iam", key="ODNOSUCHKEY000000000", secret="x" * 40).list_roles()


def test_a_role_lives_and_dies(iam):
    name = unique("Role")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Description="for <imports> & more", Path="/service/",
                           MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "a b"}])["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service/{name}"
    got = iam.get_role(RoleName=name)["Role"]
    assert got == made and got["AssumeRolePolicyDocument"] == TRUST
    assert (got["Description"], got["MaxSessionDuration"], got["Tags"]) == ("for <imports> & more", 7200, [{"Key": "team", "Value": "a b"}])
    with refused("EntityAlreadyExists", status=409):
        iam.create_role(RoleName=name.upper(), AssumeRolePolicyDocument=json.dumps(TRUST))
    assert name in [r["RoleName"] for r in iam.list_roles(PathPrefix="/service/")["Roles"]]
    iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED)
    iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED)
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == [{"PolicyName": "AmazonPersonalizeFullAccess", "PolicyArn": MANAGED}]
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
    assert iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"] == POLICY
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["inline"]
    with refused("DeleteConflict", status=409):
        iam.delete_role(RoleName=name)
    iam.detach_role_policy(RoleName=name, PolicyArn=MANAGED)
    with refused("NoSuchEntity", status=404):
        iam.detach_role_policy(RoleName=name, PolicyArn=MANAGED)
    with refused("DeleteConflict"):
        iam.delete_role(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)
    with refused("NoSuchEntity", name, status=404):
        iam.get_role(RoleName=name)


def test_a_policy_lives_and_dies(iam):
    name, role = unique("Policy"), unique("Role")
    made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICY), Description="d")["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/{name}" and made["AttachmentCount"] == 0
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == POLICY
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert name in [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]]
    with refused("DeleteConflict"):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity"):
        iam.get_policy(PolicyArn=arn)
    with refused("NoSuchEntity"):
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)


def test_many_policies_are_listed_beside_many_roles(iam):
    roles, policies = [unique("Many") for _ in range(60)], [unique("Many") for _ in range(60)]
    document = json.dumps({**POLICY, "Id": "x" * 5000})
    arns = [iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"] for name in policies]
    for name in roles:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST) + " " * 120_000)
        for arn in arns[:3]:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    counts = {p["Arn"]: p["AttachmentCount"] for page in iam.get_paginator("list_policies").paginate(Scope="Local") for p in page["Policies"]}
    assert [counts[arn] for arn in arns] == [60] * 3 + [0] * 57
    attached = [p["Arn"] for page in iam.get_paginator("list_policies").paginate(OnlyAttached=True) for p in page["Policies"]]
    assert set(arns) & set(attached) == set(arns[:3])
    assert iam.list_policies(Scope="AWS")["Policies"] == [], "AWS's own are not kept here"
    assert set(roles) <= {r["RoleName"] for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"]}


def test_what_is_wrong_is_named(iam):
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName=unique("Role"), AssumeRolePolicyDocument="no json")
    with refused("ValidationError", "RoleName"):
        iam.create_role(RoleName="with/slash", AssumeRolePolicyDocument="{}")
    with refused("InvalidInput"):
        iam.get_policy(PolicyArn="arn:aws:iam::1234567890:nonsense")
    with refused("InvalidAction", "CreateUser"):
        iam.create_user(UserName="u")


def sized(characters):
    """A document of so many characters, white space not counted."""
    return '{"Id": "' + "x" * (characters - len('{"Id":""}')) + '" }'


def test_sizes_have_limits(server, iam):
    name = unique("Sized")
    with refused("LimitExceeded", "8192", status=409):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=sized(8193))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=sized(8192))
    with refused("LimitExceeded", "6144", status=409):
        iam.create_policy(PolicyName=name, PolicyDocument=sized(6145))
    iam.put_role_policy(RoleName=name, PolicyName="a", PolicyDocument=sized(6000))
    with refused("LimitExceeded", "10240", name, status=409):
        iam.put_role_policy(RoleName=name, PolicyName="b", PolicyDocument=sized(4241))
    iam.put_role_policy(RoleName=name, PolicyName="b", PolicyDocument=sized(4240))
    iam.put_role_policy(RoleName=name, PolicyName="a", PolicyDocument=sized(100) + " " * 100_000)
    with refused("LimitExceeded", status=409):
        iam.put_role_policy(RoleName=name, PolicyName="b", PolicyDocument=sized(100) + " " * 100_000)
    assert [len(iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"]["Id"]) for p in "ab"] == [91, 4231]
    other = {"RoleName": unique("Role"), "AssumeRolePolicyDocument": "{}"}
    raw = server.client("iam", parameter_validation=False)
    for tag in ({"Key": "", "Value": "v"}, {"Key": "k" * 129, "Value": "v"}, {"Key": "k", "Value": "v" * 257}):
        with refused("ValidationError"):
            raw.create_role(**other, Tags=[tag])
    for boundary in ("short", "a" * 2049):
        with refused("ValidationError", "permissionsBoundary"):
            raw.create_role(**other, PermissionsBoundary=boundary)
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/b"
    made = iam.create_role(**other, PermissionsBoundary=boundary, Tags=[{"Key": "k" * 128, "Value": "é" * 256}])["Role"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary and made["Tags"][0]["Value"] == "é" * 256


def test_lists_are_paged(iam):
    names = sorted(unique("paged") for _ in range(5))
    for name in names:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", Path="/paged/")
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/paged/", PaginationConfig={"PageSize": 2}))
    assert [r["RoleName"] for p in pages for r in p["Roles"]] == names and len(pages) == 3


def test_roles_outlive_a_kill(own_server):
    own_server.client("iam").create_role(RoleName="Kept", AssumeRolePolicyDocument=json.dumps(TRUST))
    own_server.kill()
    own_server.start()
    assert own_server.client("iam").get_role(RoleName="Kept")["Role"]["AssumeRolePolicyDocument"] == TRUST


def test_malformed_forms(server):
    for body in (b"", b"Action=%zz", b"Action=ListRoles", b"Action=List%00Roles&Version=2010-05-08", b"&" * 10 + b"a=b"):
        headers = server.sign("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"}, service="iam")
        answer = server.send("POST", "/", body, headers)
        assert answer.status == 400 and b"<ErrorResponse" in answer.body, answer
