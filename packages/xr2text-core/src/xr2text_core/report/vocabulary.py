"""The words everything else agrees on: findings, regions, sides and severities, in the order of label indices."""

REGIONS = (
    "right lung",
    "left lung",
    "heart",
    "mediastinum",
    "spine",
    "diaphragm",
    "costophrenic angles",
)

# The 13 findings of CheXpert (Irvin et al. 2019; its 14th, "No Finding", is `ReportLabels.is_normal`), then those that
# the annotators of the Indiana University collection code often.
FINDINGS = (
    "enlarged cardiomediastinum",
    "cardiomegaly",
    "lung opacity",
    "lung lesion",
    "edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "pleural effusion",
    "pleural other",
    "fracture",
    "support devices",
    "hyperinflation",
    "emphysema",
    "granuloma",
    "calcification",
    "scarring",
    "interstitial markings",
    "aortic abnormality",
    "degenerative spine",
    "scoliosis",
    "elevated diaphragm",
    "hiatal hernia",
    "low lung volumes",
    "vascular congestion",
    "bone abnormality",  # deformity, osteopenia, kyphosis, sclerosis: bones without a stated fracture
    "other abnormality",  # abnormal, and none of the above
)

DEVICES = "support devices"  # present, they do not make a report abnormal

NOT_A_DEVICE = "Research software, not a medical device: no report from it may be used in the care of a patient."

SIDES = ("right", "left", "bilateral")
SEVERITIES = ("mild", "moderate", "severe")
