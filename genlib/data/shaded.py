"""Heads with a pose, a light and an identity, shaded in closed form."""

import math

import torch
import torch.nn.functional as F

HEAD = ("azimuth", "elevation", "light", "width", "height", "depth", "albedo")


def heads(v, side=48):
    """Shaded toy heads, grey images (N, 1, side, side) in [0, 1] from factors v (N, 7) in [0, 1], on v's device.

    The factors are ``HEAD``: azimuth (−80° to 80°) and elevation (−30° to 30°) of the pose, azimuth of the light (−80°
    to 80°, always 20° above), and who it is: three axes (0.6 to 0.9) and the albedo (0.5 to 1). A head is an ellipsoid
    with a smaller one as its nose and two dark eyes, seen by parallel rays in a frame of 2.2, under a Lambertian light
    and 0.15 of ambient light. Each ray meets an ellipsoid where a quadratic is zero: nothing is sampled or iterated.
    """
    turn, tilt, light = ((2 * v[:, i].float() - 1) * math.radians(d) for i, d in enumerate((80, 30, 80)))
    o, i = torch.zeros_like(turn), torch.ones_like(turn)
    about_y = torch.stack([turn.cos(), o, turn.sin(), o, i, o, -turn.sin(), o, turn.cos()], 1).view(-1, 3, 3)
    about_x = torch.stack([i, o, o, o, tilt.cos(), tilt.sin(), o, -tilt.sin(), tilt.cos()], 1).view(-1, 3, 3)
    pose = about_x @ about_y  # the head's own frame -> the viewer's: x right, y up, z towards the viewer
    axes, albedo = 0.6 + 0.3 * v[:, 3:6].float(), 0.5 + 0.5 * v[:, 6:7].float()
    at = ((torch.arange(side, device=v.device) + 0.5) / side - 0.5) * 2.2
    rays = F.pad(torch.cartesian_prod(-at, at).flip(1), (0, 1))  # (P, 3): where each meets the plane z = 0

    def ellipsoid(centre, axes):
        """z where each ray first meets it, (N, P), −inf where it does not, and the unit normal there, (N, P, 3)."""
        A = pose @ torch.diag_embed(axes**-2) @ pose.mT  # (p − centre)ᵀ A (p − centre) = 1
        d = rays - (pose @ centre[:, :, None]).mT
        Ad = d @ A
        a, b, c = A[:, 2, 2, None], Ad[..., 2], (Ad * d).sum(2) - 1  # a z² + 2 b z + c = 0
        root = b**2 - a * c
        z = torch.where(root > 0, (root.clamp(min=0).sqrt() - b) / a, -torch.inf)
        return z, F.normalize(Ad + z.nan_to_num(neginf=0)[..., None] * A[:, 2:3], dim=2)

    z, normal = ellipsoid(torch.zeros_like(axes), axes)
    z_nose, nose = ellipsoid(torch.stack([o, -0.05 * i, 0.95 * axes[:, 2]], 1), 0.25 * axes)
    own = torch.cat([rays[:, :2].expand(len(v), -1, 2), z.nan_to_num(neginf=0)[..., None]], 2) @ pose
    from_eye = ((own[..., :2] / axes[:, None, :2]).abs() - torch.tensor([0.38, 0.3], device=v.device)).norm(dim=2)
    eye = (from_eye < 0.13) & (own[..., 1:] > 0).all(2)  # above the middle, and in front
    is_nose = z_nose > z
    normal, eye = torch.where(is_nose[..., None], nose, normal), eye & ~is_nose
    to_light = F.normalize(torch.stack([light.sin(), i * math.tan(math.radians(20)), light.cos()], 1), dim=1)
    shade = 0.15 + 0.85 * (normal * to_light[:, None]).sum(2).clamp(min=0)
    grey = torch.where(eye, 0.15 * albedo, albedo) * shade * (torch.maximum(z, z_nose) > -torch.inf)
    return grey.view(-1, 1, side, side)
