"""The terms of each data set on disk, and unpacking its archive after a look at the published checksum."""

from pathlib import Path

from cadnet_edu.data.archives import checksum_of, extract
from cadnet_edu.data.checks import MD5

CONSENT = """Consent: none is documented. Show as few people as you can, blur faces in print, and do not try to learn
who anybody is."""

TERMS: dict[str, str] = {
    "market1501": f"""Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015).

Where it comes from: the project page at the Australian National University, zheng-lab.cecs.anu.edu.au. The archive
holds one folder, Market-1501-v15.09.15.

Terms: the page asks to cite the paper. A licence text is not known to us: ask before you use it for more than
research.

{CONSENT}""",
    "dukemtmc_reid": """DukeMTMC-reID (Ristani et al., 2016; Zheng et al., 2017): WITHDRAWN.

Where it comes from: nowhere any more. Duke University took it offline on 25 April 2019. Its review board had
approved filming indoors and giving the data out on request; what was done deviated from that significantly, and
companies and laboratories that build surveillance used it. This project does not link to copies, fetches none, and
asks you not to pass any on. The paper's numbers on it are shown in the book as history.

Terms: CC BY-NC-SA 4.0 in its time. Its licence asks that its makers are told before derived data is published, and
that derived sets keep DukeMTMC in their title.

Consent: none is documented. The same can be learnt in other ways: from the embedded Walkers, from rendered people,
or from photos of people who agreed (cadnet-edu data check own).

If you hold a copy lawfully and your own review board agrees, add --allow-withdrawn.""",
    "cuhk03": f"""CUHK03 (Li et al., DeepReID, CVPR 2014).

Where it comes from: on request, by a form on the identification page of the Chinese University of Hong Kong. Its
links have not always worked. The archive holds cuhk03_release/cuhk-03.mat; the MD5 of the zip file as published is
728939e58ad9f0ff53e521857dd8fb43.

Terms: academic use, as far as we know; the form says what you agree to.

{CONSENT}""",
    "viper": f"""VIPeR (Gray, Brennan and Tao, Evaluating Appearance Models for Recognition, Reacquisition and
Tracking, PETS 2007).

Where it comes from: a public page of the University of California, Santa Cruz. The archive is VIPeR.v1.0.zip; its
MD5 as published is 1c2d9fc1cc800332567a0da25a1ce68c.

Terms: no licence text was found.

{CONSENT}""",
    "caviar": f"""CAVIAR4REID (Cheng et al., Custom Pictorial Structures for Re-identification, BMVC 2011).

Where it comes from: the page lorisbaz.github.io/caviar4reid.html. The archive holds a folder CAVIARa.

Terms: research, as far as we know.

{CONSENT}""",
}


def unpacked(name: str, archive: Path, out: Path | None, other_archive: bool = False) -> Path:
    """The folder of a data set, unpacked from its archive where that has not been done before.

    Args:
        name: of the data set.
        archive: the file, or the folder that it was unpacked into already.
        out: the folder to unpack into; not needed for a folder.
        other_archive: accept an archive with another checksum than the published one.

    Raises:
        ValueError: without ``out``, or when the archive is missing, not the published one, damaged, or unsafe.
        OSError: when it cannot be written.
    """
    if archive.is_dir():
        return archive
    if not archive.exists():
        raise ValueError(f"{archive}: there is no such file or folder. Nothing is fetched: give what you have.")
    if out is None:
        raise ValueError(f"{archive}: say where to unpack it, as in --out data/{name}.")
    if out.is_dir() and any(out.iterdir()):
        return out
    if name in MD5 and not other_archive and (found := checksum_of(archive)) != MD5[name]:
        raise ValueError(
            f"{archive}: its MD5 is {found}, that of the archive as published is {MD5[name]}. It was cut short or "
            "packed anew: get it again, or accept it with --other-archive; its contents are checked all the same."
        )
    return extract(archive, out)
